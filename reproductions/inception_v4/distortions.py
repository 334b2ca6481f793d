"""The colour distortions of TensorFlow's release of Inception-v4."""

import dataclasses
from typing import Any

from common.data.transforms.operation import Context, Operation


@dataclasses.dataclass(frozen=True, kw_only=True)
class BrightnessAndSaturation(Operation):
    """Saturation, then brightness; of one image in four the other way round.

    inception_preprocessing.py of research/slim, in the mode ("fast") that its
    training script calls it in: four orders are drawn from, and three of them
    are the same. Amounts are uniform; what leaves 0 .. 255 is cut off at the
    end. 0 and (1, 1) change nothing.

    Attributes:
        brightness: The most that is added or taken away, of 1 = 255.
        saturation: (lowest, highest) factor.
    """

    brightness: float
    saturation: tuple[float, float]

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class; the image is (height, width, 3), 0 .. 255."""
        import tensorflow as tf

        drawn = context.rng.uniform(3)
        added = self.brightness * (2 * drawn[0] - 1)
        low, high = self.saturation
        factor = low + drawn[1] * (high - low)
        image = image / 255
        image = tf.cond(
            drawn[2] < 0.25,
            lambda: tf.image.adjust_saturation(image + added, factor),
            lambda: tf.image.adjust_saturation(image, factor) + added,
        )
        return 255 * tf.clip_by_value(image, 0.0, 1.0)
