"""Operations on pixel values, one frozen value each.

They map (image, context) to an image, both (height, width, channels) float32.
Importing this module imports no TensorFlow.
"""

import dataclasses
from typing import Any, ClassVar

from common.data.geometry import mirror
from common.data.keys import Key
from common.data.statistics import Statistics
from common.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Context:
    """What a pixel operation may know of its image.

    Attributes:
        top: The window's place in the frame, pixels; an int or a tensor.
        left: Likewise.
        mirrored: Whether left and right were exchanged.
        statistics: Of the training set; None if no operation needs them.
        key: For the operation's draws; None in tests.
    """

    top: Any
    left: Any
    mirrored: Any
    statistics: Statistics | None
    key: Key | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomAffine:
    """A planar affine distortion about the centre, drawn for each image.

    LeCun et al. 1998, Sec. III-A: "combinations of the following planar affine
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

        drawn = context.key.uniform(6)
        pixels = self.translate_pixels
        amplitudes = (pixels, pixels, self.scale, self.squeeze, self.shear)
        distorted = tf.cast(drawn[5] < self.probability, tf.float32)
        by = (2 * drawn[:5] - 1) * tf.constant(amplitudes) * distorted
        distort = tf.raw_ops.ImageProjectiveTransformV3(
            images=image[None],
            transforms=self._inverse(*tf.unstack(by), *image.shape[:2])[None],
            output_shape=image.shape[:2],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )
        return tf.ensure_shape(distort[0], image.shape)

    def scaled(self, factor: float) -> "RandomAffine":
        """For an input `factor` times as large."""
        pixels = self.translate_pixels * factor
        return dataclasses.replace(self, translate_pixels=pixels)

    @staticmethod
    def _inverse(
        right: Any,
        down: Any,
        scale: Any,
        squeeze: Any,
        shear: Any,
        height: int,
        width: int,
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
        zero = tf.zeros(())
        return tf.stack([1 / a, slant, from_x, zero, 1 / b, from_y, zero, zero])


def _statistics(context: Context, what: str) -> Statistics:
    if context.statistics is None:
        raise UsageError(f"{what} needs the statistics of the training set")
    return context.statistics


@dataclasses.dataclass(frozen=True)
class SubtractMeanImage:
    """Subtract the training mean of each pixel of the frame.

    Krizhevsky et al. 2012, Sec. 2. A crop loses its own part of the mean image,
    mirrored if the crop is. What lies outside of the frame stays 0, as if the
    mean had been subtracted before zeros were padded.
    """

    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = True

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class."""
        import numpy as np
        import tensorflow as tf

        mean = _statistics(context, "SubtractMeanImage").mean_image
        _check_fits(mean, image)
        # A window as large as the frame leaves it wherever it is moved.
        border = max(mean.shape) if mean.shape == tuple(image.shape) else 0
        mean = np.pad(mean, [(border, border), (border, border), (0, 0)])
        part = tf.slice(
            tf.constant(mean, tf.float32),
            tf.stack([context.top + border, context.left + border, 0]),
            image.shape,
        )
        return image - mirror(part, context.mirrored)

    def scaled(self, factor: float) -> "SubtractMeanImage":
        """The same."""
        return self


@dataclasses.dataclass(frozen=True)
class SubtractCentreMean:
    """Subtract the mean image's centre, wherever the crop is, never mirrored.

    What the published source of Krizhevsky et al. 2012 does (net 145).
    """

    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = True

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class."""
        mean = _statistics(context, "SubtractCentreMean").mean_image
        _check_fits(mean, image)
        top, left = (
            (frame - size) // 2
            for frame, size in zip(mean.shape, image.shape[:2], strict=False)
        )
        height, width = image.shape[:2]
        part = mean[top : top + height, left : left + width]
        return image - part.astype("float32")

    def scaled(self, factor: float) -> "SubtractCentreMean":
        """The same."""
        return self


@dataclasses.dataclass(frozen=True)
class SubtractChannelMean:
    """Subtract the training mean of each channel.

    Simonyan and Zisserman 2014, Sec. 2.1: "the mean RGB value".
    """

    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = True

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class."""
        import numpy as np

        mean = _statistics(context, "SubtractChannelMean").pixel_mean
        # As rows: three numbers at a time would take three times as long.
        rows = np.tile(np.float32(mean), (image.shape[-2] or 1, 1))
        return image - rows

    def scaled(self, factor: float) -> "SubtractChannelMean":
        """The same."""
        return self


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standardize:
    """(pixel / 255 - mean) / std, channel by channel.

    Attributes:
        mean: Of each channel, 0 .. 1.
        std: Likewise.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = False

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class."""
        import numpy as np

        mean, std = (np.float32(v) for v in (self.mean, self.std))
        return (image / 255 - mean) / std

    def scaled(self, factor: float) -> "Standardize":
        """The same."""
        return self


def _check_fits(mean: Any, image: Any) -> None:
    wide = any(m < i for m, i in zip(mean.shape, image.shape, strict=True))
    if wide or mean.shape[2] != image.shape[2]:
        raise UsageError(
            f"a mean image of {mean.shape} for an image of {image.shape}"
        )


@dataclasses.dataclass(frozen=True)
class ScalePixels:
    """Map 0 to `background` and 255 to `foreground`, linearly.

    LeCun et al. 1998, Sec. II-B: -0.1 and 1.175.
    """

    background: float
    foreground: float
    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = False

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class."""
        span = self.foreground - self.background
        return image * (span / 255) + self.background

    def scaled(self, factor: float) -> "ScalePixels":
        """The same."""
        return self


@dataclasses.dataclass(frozen=True, kw_only=True)
class PcaColourNoise:
    """Add sum_i a_i s_i p_i to all pixels, a_i ~ N(0, std), once per image.

    p_i are the eigenvectors of the training set's RGB covariance. The paper
    (Krizhevsky et al. 2012, Sec. 4.1) calls s_i the eigenvalues; in its source
    they are the standard deviations, the roots of the eigenvalues, and so they
    are here.

    Attributes:
        std: Of the a_i; 0.1 in the paper.
        shrink: The sum is divided by this; 1.0 in the paper, 1.1 in its source.
    """

    std: float
    shrink: float
    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = True

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class; the image is (height, width, 3)."""
        import numpy as np
        import tensorflow as tf

        covariance = _statistics(context, "PcaColourNoise").covariance
        if image.shape[2] != 3:
            raise UsageError("PcaColourNoise is for RGB images")
        values, vectors = np.linalg.eigh(covariance)
        scaled = vectors * (self.std * np.sqrt(np.maximum(values, 0)))
        draws = context.key.normal(3)
        noise = tf.linalg.matvec(tf.constant(scaled, tf.float32), draws)
        noisy = image + tf.tile(noise[None], [image.shape[1], 1])  # as rows
        return noisy if self.shrink == 1.0 else noisy / self.shrink

    def scaled(self, factor: float) -> "PcaColourNoise":
        """The same."""
        return self
