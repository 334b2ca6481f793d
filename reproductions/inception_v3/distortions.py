"""The colour distortions of TensorFlow's release of Inception-v3."""

import dataclasses
from typing import Any

from common.data.transforms.operation import Context, Operation


@dataclasses.dataclass(frozen=True, kw_only=True)
class ColourDistortions(Operation):
    """Brightness, then saturation, hue and contrast in one of two orders.

    image_processing.py of the release: saturation, hue, contrast, or contrast,
    saturation, hue, by the number of the thread; here equally likely. Amounts
    are uniform; what leaves 0 .. 255 is cut off at the end. All 0 and (1, 1)
    changes nothing.

    Attributes:
        brightness: The most that is added or taken away, of 1 = 255.
        saturation: (lowest, highest) factor.
        hue: The most that it turns, of 1 = the whole circle.
        contrast: (lowest, highest) factor on the distance from the mean of
            each channel.
    """

    brightness: float
    saturation: tuple[float, float]
    hue: float
    contrast: tuple[float, float]

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class; the image is (height, width, 3), 0 .. 255."""
        import tensorflow as tf

        drawn = context.rng.uniform(5)
        brightness, hue = (2 * drawn[0] - 1, 2 * drawn[1] - 1)
        saturation = _between(self.saturation, drawn[2])
        contrast = _between(self.contrast, drawn[3])

        def turned(x: Any) -> Any:
            x = tf.image.adjust_saturation(x, saturation)
            return tf.image.adjust_hue(x, self.hue * hue)

        def stretched(x: Any) -> Any:
            return tf.image.adjust_contrast(x, contrast)

        image = image / 255 + self.brightness * brightness
        image = tf.cond(
            drawn[4] < 0.5, lambda: stretched(turned(image)), lambda: turned(stretched(image))
        )
        return 255 * tf.clip_by_value(image, 0.0, 1.0)


def _between(interval: tuple[float, float], share: Any) -> Any:
    low, high = interval
    return low + share * (high - low)
