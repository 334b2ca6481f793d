"""Random crops of images padded with their own reflection; imports no TensorFlow."""

import dataclasses
from typing import Any

from common.data.transforms.operation import Context, Operation


@dataclasses.dataclass(frozen=True)
class RandomReflectedShift(Operation):
    """Move the image by up to `pixels` along each axis, to a random place.

    Sec. 3: "random crops from image padded by 4 pixels on each side, filling
    missing pixels with reflections of original image". The border pixels are
    not repeated: row -1 is row 1. All places are equally likely.
    """

    pixels: int

    def __call__(self, image: Any, context: Context) -> Any:
        """(height, width, channels) -> the same shape."""
        import tensorflow as tf

        border = [(self.pixels, self.pixels)] * 2 + [(0, 0)]
        padded = tf.pad(image, border, mode="REFLECT")
        drawn = context.rng.uniform(2) * (2 * self.pixels + 1)
        place = tf.concat([tf.cast(drawn, tf.int32), [0]], axis=0)
        return tf.slice(padded, place, image.shape)
