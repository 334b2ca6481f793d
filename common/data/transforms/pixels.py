"""Operations on pixel values, one frozen value each.

They map (image, context) to an image, both (height, width, channels) float32;
those that common.data.decoded names, (images, height, width, channels), too.
Importing this module imports no TensorFlow.
"""

import dataclasses
from typing import Any, ClassVar

from common.data.keys import Key
from common.data.statistics import Statistics
from common.data.transforms.many import cut, with_black
from common.data.transforms.view import Box, mirror
from common.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Context:
    """What a pixel operation may know of its image.

    Attributes:
        top: The window's place in the frame, pixels; an int or a tensor, of
            one number for each image if there are many.
        left: Likewise.
        mirrored: Whether left and right were exchanged.
        statistics: Of the training set; None if no operation needs them.
        key: For the operation's draws; None in tests.
        drawn: What the operation's `draw` gave, if that was called before;
            None leaves it to the operation.
    """

    top: Any
    left: Any
    mirrored: Any
    statistics: Statistics | None
    key: Key | None = None
    drawn: Any = None


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
        if len(image.shape) == 4:  # many, each with a place of its own
            window = Box(context.top, context.left, *image.shape[1:3])
            place = (0, window, context.mirrored)
            return image - cut(with_black(mean), mean.shape[:2], *place)
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
            (frame - size) // 2 for frame, size in zip(mean.shape, image.shape[-3:-1], strict=False)
        )
        height, width = image.shape[-3:-1]
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

        # No division: TensorFlow turns some by constants into products, so
        # that bits would depend on where it is computed.
        mean, std = (np.float64(v) for v in (self.mean, self.std))
        scale, shift = 1 / (255 * std), -mean / std
        return image * np.float32(scale) + np.float32(shift)

    def scaled(self, factor: float) -> "Standardize":
        """The same."""
        return self


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubtractMeanPixel:
    """Subtract the same pixel, 0 .. 255, everywhere: what Caffe's networks see.

    Attributes:
        order: "RGB" or "BGR": of the channels of the result, and of `mean`.
        mean: Of each channel, 0 .. 255.
    """

    order: str
    mean: tuple[float, ...]
    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = False

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class; the image is RGB.

        Raises:
            UsageError: if the order is another one.
        """
        import numpy as np
        import tensorflow as tf

        if self.order not in ("RGB", "BGR"):
            raise UsageError(f"{self}: order must be RGB or BGR")
        channels = ["RGB".index(channel) for channel in self.order]
        return tf.gather(image, channels, axis=-1) - np.float32(self.mean)

    def scaled(self, factor: float) -> "SubtractMeanPixel":
        """The same."""
        return self


def _check_fits(mean: Any, image: Any) -> None:
    shape = image.shape[-3:]
    wide = any(m < i for m, i in zip(mean.shape, shape, strict=True))
    if wide or mean.shape[2] != shape[2]:
        raise UsageError(f"a mean image of {mean.shape} for an image of {image.shape}")


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


@dataclasses.dataclass(frozen=True)
class Binarize:
    """1 where a pixel is at least `threshold` of 255, else 0."""

    threshold: int
    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = False

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class."""
        import tensorflow as tf

        return tf.cast(image >= self.threshold, tf.float32)

    def scaled(self, factor: float) -> "Binarize":
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
        """See the class; the image is (..., height, width, 3)."""
        import numpy as np
        import tensorflow as tf

        if image.shape[-1] != 3:
            raise UsageError("PcaColourNoise is for RGB images")
        drawn = context.drawn
        noise = (self.draw(context) if drawn is None else drawn)[..., None, :]
        rows = [1] * (len(noise.shape) - 2) + [image.shape[-2], 1]
        noisy = image + tf.tile(noise, rows)[..., None, :, :]
        if self.shrink == 1.0:
            return noisy
        if len(image.shape) == 3:
            return noisy / self.shrink
        # XLA multiplies by 1 / shrink; float64's product, rounded, is float32's
        # quotient.
        exact = tf.cast(noisy, tf.float64) / np.float64(np.float32(self.shrink))
        return tf.cast(exact, tf.float32)

    def draw(self, context: Context) -> Any:
        """What is added to one image's channels, (3,)."""
        import numpy as np
        import tensorflow as tf

        covariance = _statistics(context, "PcaColourNoise").covariance
        values, vectors = np.linalg.eigh(covariance)
        scaled = vectors * (self.std * np.sqrt(np.maximum(values, 0)))
        draws = context.key.normal(3)
        return tf.linalg.matvec(tf.constant(scaled, tf.float32), draws)

    def scaled(self, factor: float) -> "PcaColourNoise":
        """The same."""
        return self


@dataclasses.dataclass(frozen=True)
class ZeroBorder:
    """Set to 0 what is outside of the frame, as if zeros had been padded now.

    After `normalize`, so that the border has the mean colour and not black.
    The window is as large as the frame: see RandomShift.
    """

    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = False

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class."""
        import tensorflow as tf

        def inside(start: Any, places: Any, length: int) -> Any:
            places += tf.expand_dims(start, -1)
            return (places >= 0) & (places < length)

        height, width = image.shape[-3:-1]
        across = tf.range(width)
        mirrored = tf.expand_dims(context.mirrored, -1)
        across = tf.where(mirrored, width - 1 - across, across)
        rows = inside(context.top, tf.range(height), height)
        columns = inside(context.left, across, width)
        seen = rows[..., :, None, None] & columns[..., None, :, None]
        return tf.where(seen, image, 0.0)

    def scaled(self, factor: float) -> "ZeroBorder":
        """The same."""
        return self
