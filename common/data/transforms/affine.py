"""The distortions of LeCun et al. 1998.

Importing this module imports no TensorFlow.
"""

import dataclasses
from typing import Any, ClassVar

from common.data.transforms.pixels import Context


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomAffine:
    """A planar affine distortion about the centre, drawn for each image.

    LeCun et al. 1998, Sec. III-B: "combinations of the following planar affine
    transformations: horizontal and vertical translations, scaling, squeezing
    (simultaneous horizontal compression and vertical elongation, or the
    reverse), and horizontal shearing"; the paper gives no amplitudes. Each is
    drawn uniformly from -amplitude .. amplitude; bilinear, 0 from outside.

    Attributes:
        probability: Of an image being distorted at all.
        translate_pixels: Along each axis.
        scale: Both axes times 1 + s.
        squeeze: The horizontal axis times 1 + q, the vertical one over it.
        shear: Pixels to the side per pixel down.
    """

    probability: float
    translate_pixels: float
    scale: float
    squeeze: float
    shear: float
    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = False

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class; pixels 0 .. 255."""
        import tensorflow as tf

        drawn = context.drawn
        drawn = self.draw(context) if drawn is None else drawn
        *drawn, chance = tf.unstack(drawn, axis=-1)
        pixels = self.translate_pixels
        amplitudes = (pixels, pixels, self.scale, self.squeeze, self.shear)
        distorted = tf.cast(chance < self.probability, tf.float32)
        pairs = zip(drawn, amplitudes, strict=True)
        by = [(2 * d - 1) * most * distorted for d, most in pairs]
        *_, height, width, channels = image.shape
        distort = tf.raw_ops.ImageProjectiveTransformV3(
            images=tf.reshape(image, [-1, height, width, channels]),
            transforms=tf.reshape(self._inverse(*by, height, width), [-1, 8]),
            output_shape=[height, width],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )
        distort = tf.reshape(distort, tf.shape(image))
        return tf.ensure_shape(distort, image.shape)

    def draw(self, context: Context) -> Any:
        """(..., 6) numbers in [0, 1)."""
        import tensorflow as tf

        return tf.transpose(context.key.uniform(6))

    def scaled(self, factor: float) -> "RandomAffine":
        """For an input `factor` times as large."""
        pixels = self.translate_pixels * factor
        return dataclasses.replace(self, translate_pixels=pixels)

    @staticmethod
    def _inverse(
        right: Any, down: Any, scale: Any, squeeze: Any, shear: Any, height: int, width: int
    ) -> Any:
        """From output to input coordinates, eight numbers.

        Forwards, about the centre: x' = a x + shear y + right, y' = b y + down
        with a = (1 + scale) (1 + squeeze), b = (1 + scale) / (1 + squeeze).
        """
        import tensorflow as tf

        a = (1 + scale) * (1 + squeeze)
        b = (1 + scale) / (1 + squeeze)
        x, y = (width - 1) / 2, (height - 1) / 2
        slant = -shear / (a * b)
        from_x = x - (x + right) / a - slant * (y + down)
        from_y = y - (y + down) / b
        zero = tf.zeros_like(a)
        numbers = [1 / a, slant, from_x, zero, 1 / b, from_y, zero, zero]
        return tf.stack(numbers, axis=-1)
