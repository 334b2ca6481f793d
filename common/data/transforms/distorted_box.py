"""The random crop of TensorFlow's releases, a geometric operation.

See common.data.transforms. Importing this module imports no TensorFlow.
"""

import dataclasses
from typing import Any, ClassVar

from common.data.keys import Key
from common.data.transforms.scales import anywhere, scaled_size
from common.data.transforms.view import View


@dataclasses.dataclass(frozen=True)
class DistortedBoxCrop:
    """Cut a window as TensorFlow's sample_distorted_bounding_box without boxes.

    The aspect is drawn uniformly, then the height, in whole pixels, from that
    of the smallest to that of the largest area, as far as it fits into the
    image. Small areas are thus more frequent than large ones: of a photograph
    of 4:3, 1.1 % of the windows have more than 90 % of the area. Both are drawn
    again if the window covers too little. An image in which no attempt succeeds
    is taken whole. All places are equally likely (TensorFlow leaves out the
    last row and the last column of places).

    It comes before other resizes and crops, and leaves the frame, as
    RandomAreaCrop does.

    Attributes:
        size: Of the result, pixels.
        area: (lowest, highest) share of the image's area.
        aspect: (lowest, highest) width / height of the window.
        covered: The least share of a box that is seen; the box is the image.
        attempts: Pairs of aspect and height that are drawn at the most.
        resampling: As RandomAreaCrop's.
    """

    size: int
    area: tuple[float, float]
    aspect: tuple[float, float]
    covered: float
    attempts: int
    resampling: tuple[str, ...]
    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class.

        Raises:
            UsageError: if the image was cut or resized before.
        """
        import tensorflow as tf

        drawn = key.uniform(3 + 2 * self.attempts)
        first, second = tf.unstack(tf.reshape(drawn[3:], (2, self.attempts)))
        height, width = self._window(view.source, first, second)
        return anywhere(view, height, width, drawn[:3], self.resampling, self.size)

    def _window(self, source: tuple, first: Any, second: Any) -> tuple:
        """(height, width), whole pixels, of the first attempt that succeeds.

        Args:
            source: (height, width) of the image.
            first: (attempts,) draws of 0 .. 1, for the aspect.
            second: (attempts,) draws of 0 .. 1, for the height.
        """
        import tensorflow as tf

        high, wide = (tf.cast(side, tf.float32) for side in source)
        (small, large), (tall, flat) = self.area, self.aspect
        aspect = tall + first * (flat - tall)
        least = tf.round(tf.sqrt(small * high * wide / aspect))
        most = tf.round(tf.sqrt(large * high * wide / aspect))
        most = tf.minimum(most, tf.floor((wide + 0.5) / aspect))
        most = tf.minimum(most, high)
        least = tf.minimum(least, most)
        height = least + tf.floor(second * (most - least + 1))
        width = tf.round(height * aspect)
        share = height * width / (high * wide)
        good = (share >= max(small, self.covered)) & (share <= large)
        good = tf.concat([good & (width <= wide), [True]], 0)
        chosen = tf.where(good)[0, 0]
        return tuple(
            tf.cast(tf.concat([sides, [whole]], 0)[chosen], tf.int32)
            for sides, whole in ((height, high), (width, wide))
        )

    def scaled(self, factor: float) -> "DistortedBoxCrop":
        """For an input `factor` times as large; the shares stay."""
        return dataclasses.replace(self, size=scaled_size(self.size, factor))
