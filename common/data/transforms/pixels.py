"""Operations on pixel values.

They map (image, context) to an image, both (height, width, channels) float32;
those that are `batched` or `on_device`, (images, height, width, channels), too.
"""

import dataclasses
from typing import Any, ClassVar

from common.data.transforms.operation import Context, Operation, Statistics
from common.data.transforms.view import Box, gather_windows, mirror, with_zero_pixel
from common.errors import UsageError
from common.lazy import np, tf


class _OfMany(Operation):
    """Works on many images as on one."""

    batched: ClassVar[bool] = True
    on_device: ClassVar[bool] = True


@dataclasses.dataclass(frozen=True)
class SubtractMeanImage(_OfMany):
    """Subtract the training mean of each pixel of the frame.

    Krizhevsky et al. 2012, Sec. 2. A crop loses its own part of the mean image,
    mirrored if the crop is. What lies outside of the frame stays 0, as if the
    mean had been subtracted before zeros were padded.
    """

    only_subtracts: ClassVar[bool] = True
    needs_statistics: ClassVar[bool] = True

    def frame_for(self, window: Any, statistics: Statistics | None) -> tuple[int, int] | None:
        """The mean image's: it is of one frame, at each window's place in it."""
        return statistics and statistics.mean_image.shape[:2]

    def __call__(self, image: Any, context: Context) -> Any:
        mean = self.require_statistics(context).mean_image
        _check_fits(mean, image)
        if len(image.shape) == 4:  # many, each with a place of its own
            window = Box(context.top, context.left, *image.shape[1:3])
            place = (0, window, context.mirrored)
            return image - gather_windows(with_zero_pixel(mean), mean.shape[:2], *place)
        # A window as large as the frame leaves it wherever it is moved.
        border = max(mean.shape) if mean.shape == tuple(image.shape) else 0
        mean = np.pad(mean, [(border, border), (border, border), (0, 0)])
        part = tf.slice(
            tf.constant(mean, tf.float32),
            tf.stack([context.top + border, context.left + border, 0]),
            image.shape,
        )
        return image - mirror(part, context.mirrored)


@dataclasses.dataclass(frozen=True)
class SubtractCentreMean(_OfMany):
    """Subtract the mean image's centre, wherever the crop is, never mirrored.

    What the published source of Krizhevsky et al. 2012 does (net 145).
    """

    only_subtracts: ClassVar[bool] = True
    needs_statistics: ClassVar[bool] = True

    def __call__(self, image: Any, context: Context) -> Any:
        mean = self.require_statistics(context).mean_image
        _check_fits(mean, image)
        height, width = image.shape[-3:-1]
        top, left = (mean.shape[0] - height) // 2, (mean.shape[1] - width) // 2
        part = mean[top : top + height, left : left + width]
        return image - part.astype("float32")


@dataclasses.dataclass(frozen=True)
class SubtractChannelMean(_OfMany):
    """Subtract the training mean of each channel.

    Simonyan and Zisserman 2014, Sec. 2.1: "the mean RGB value".
    """

    only_subtracts: ClassVar[bool] = True
    needs_statistics: ClassVar[bool] = True

    def __call__(self, image: Any, context: Context) -> Any:
        mean = self.require_statistics(context).pixel_mean
        # As rows: three numbers at a time would take three times as long.
        rows = np.tile(np.float32(mean), (image.shape[-2] or 1, 1))
        return image - rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standardize(_OfMany):
    """(pixel / 255 - mean) / std, channel by channel.

    Attributes:
        mean: Of each channel, 0 .. 1.
        std: Likewise.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: Any, context: Context) -> Any:
        # No division: TensorFlow turns some by constants into products, so
        # that bits would depend on where it is computed.
        mean, std = (np.float64(v) for v in (self.mean, self.std))
        scale, shift = 1 / (255 * std), -mean / std
        return image * np.float32(scale) + np.float32(shift)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubtractMeanPixel(Operation):
    """Subtract the same pixel, 0 .. 255, everywhere: what Caffe's networks see.

    Attributes:
        order: "RGB" or "BGR": of the channels of the result, and of `mean`.
        mean: Of each channel, 0 .. 255.
    """

    order: str
    mean: tuple[float, ...]

    @property
    def only_subtracts(self) -> bool:
        """See Operation."""
        return self.order == "RGB"

    def __call__(self, image: Any, context: Context) -> Any:
        if self.order not in ("RGB", "BGR"):
            raise UsageError(f"{self}: order must be RGB or BGR")
        channels = ["RGB".index(channel) for channel in self.order]
        return tf.gather(image, channels, axis=-1) - np.float32(self.mean)


def _check_fits(mean: Any, image: Any) -> None:
    shape = image.shape[-3:]
    wide = any(m < i for m, i in zip(mean.shape, shape, strict=True))
    if wide or mean.shape[2] != shape[2]:
        raise UsageError(f"a mean image of {mean.shape} for an image of {image.shape}")


@dataclasses.dataclass(frozen=True)
class ScalePixels(_OfMany):
    """Map 0 to `background` and 255 to `foreground`, linearly.

    LeCun et al. 1998, Sec. II-B: -0.1 and 1.175.
    """

    background: float
    foreground: float

    def __call__(self, image: Any, context: Context) -> Any:
        span = self.foreground - self.background
        return image * (span / 255) + self.background


@dataclasses.dataclass(frozen=True)
class Binarize(_OfMany):
    """1 where a pixel is at least `threshold` of 255, else 0."""

    threshold: int

    def __call__(self, image: Any, context: Context) -> Any:
        return tf.cast(image >= self.threshold, tf.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PcaColourNoise(Operation):
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
    of_pixels: ClassVar[bool] = True
    on_device: ClassVar[bool] = True
    needs_statistics: ClassVar[bool] = True

    def __call__(self, image: Any, context: Context) -> Any:
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
        covariance = self.require_statistics(context).covariance
        values, vectors = np.linalg.eigh(covariance)
        scaled = vectors * (self.std * np.sqrt(np.maximum(values, 0)))
        draws = context.rng.normal(3)
        return tf.linalg.matvec(tf.constant(scaled, tf.float32), draws)


@dataclasses.dataclass(frozen=True)
class ZeroBorder(_OfMany):
    """Set to 0 what is outside of the frame, as if zeros had been padded now.

    After `normalize`, so that the border has the mean colour and not black.
    The window is as large as the frame: see RandomShift.
    """

    def frame_for(self, window: Any, statistics: Statistics | None) -> tuple[int, int] | None:
        """The window's."""
        return window.height, window.width

    def __call__(self, image: Any, context: Context) -> Any:
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomAffine(Operation):
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
    batched: ClassVar[bool] = True
    uniforms: ClassVar[int] = 6
    lengths: ClassVar[tuple[str, ...]] = ("translate_pixels",)

    def __call__(self, image: Any, context: Context) -> Any:
        *drawn, chance = tf.unstack(context.rng.uniform(self.uniforms))
        pixels = self.translate_pixels
        amplitudes = (pixels, pixels, self.scale, self.squeeze, self.shear)
        distorted = tf.cast(chance < self.probability, tf.float32)
        right, down, scale, squeeze, shear = (
            (2 * d - 1) * most * distorted for d, most in zip(drawn, amplitudes, strict=True)
        )
        # About the centre: x' = a x + shear y + right, y' = b y + down. TensorFlow
        # takes the way back, from output to input, as eight numbers.
        a = (1 + scale) * (1 + squeeze)
        b = (1 + scale) / (1 + squeeze)
        *_, height, width, channels = image.shape
        x, y = (width - 1) / 2, (height - 1) / 2
        slant = -shear / (a * b)
        from_x = x - (x + right) / a - slant * (y + down)
        from_y = y - (y + down) / b
        zero = tf.zeros_like(a)
        back = tf.stack([1 / a, slant, from_x, zero, 1 / b, from_y, zero, zero], axis=-1)
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=tf.reshape(image, [-1, height, width, channels]),
            transforms=tf.reshape(back, [-1, 8]),
            output_shape=[height, width],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )
        return tf.ensure_shape(tf.reshape(moved, tf.shape(image)), image.shape)
