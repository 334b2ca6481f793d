"""Preprocessing, one frozen value per operation of a paper.

Geometric operations (`geometric = True`) map (view, key) to a view; they come
first; those that choose the scale are in common.data.transforms.scales. Pixel operations,
of common.data.transforms.pixels, colour and affine, map (image, context) to an image.
`scaled(factor)` is the same operation for a network whose input is `factor`
times the paper's. Importing this module imports no TensorFlow.
"""

import dataclasses
from typing import Any, ClassVar

from common.data.keys import Key
from common.data.transforms.affine import RandomAffine
from common.data.transforms.colour import Lighting, PhotometricDistortions
from common.data.transforms.distorted_box import DistortedBoxCrop
from common.data.transforms.first_fit import FirstFittingAreaCrop
from common.data.transforms.pixels import (
    Binarize,
    Context,
    PcaColourNoise,
    ScalePixels,
    Standardize,
    SubtractCentreMean,
    SubtractChannelMean,
    SubtractMeanImage,
    SubtractMeanPixel,
    ZeroBorder,
)
from common.data.transforms.scales import (
    RandomAreaCrop,
    RandomShorterSide,
    ResizeShorterSide,
    Squash,
    TorchvisionResize,
    scaled_size,
)
from common.data.transforms.view import View
from common.errors import UsageError

__all__ = [
    "Binarize",
    "CentreCrop",
    "Context",
    "DistortedBoxCrop",
    "FirstFittingAreaCrop",
    "Lighting",
    "Pad",
    "PcaColourNoise",
    "PhotometricDistortions",
    "RandomAffine",
    "RandomAreaCrop",
    "RandomCrop",
    "RandomFlip",
    "RandomShift",
    "RandomShorterSide",
    "ResizeShorterSide",
    "ScalePixels",
    "Squash",
    "Standardize",
    "SubtractCentreMean",
    "SubtractChannelMean",
    "SubtractMeanImage",
    "SubtractMeanPixel",
    "TorchvisionCentreCrop",
    "TorchvisionResize",
    "UntilEpoch",
    "ZeroBorder",
    "active",
]


def _room(view: View, size: int) -> tuple[Any, Any]:
    """(vertical, horizontal) pixels that a crop leaves.

    Raises:
        UsageError: if the view is known to be smaller than the crop.
    """
    import tensorflow as tf

    sides = (view.window.height, view.window.width)
    for side in sides:
        if not isinstance(side, int):
            tf.debugging.assert_greater_equal(side, size, "the image is smaller than the crop")
        elif side < size:
            raise UsageError(f"a crop of {size} from an image of {sides}")
    return sides[0] - size, sides[1] - size


@dataclasses.dataclass(frozen=True)
class CentreCrop:
    """Cut the size x size window in the middle."""

    size: int
    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class."""
        down, across = _room(view, self.size)
        return view.crop(down // 2, across // 2, self.size, chance=False)

    def scaled(self, factor: float) -> "CentreCrop":
        """For an input `factor` times as large."""
        return CentreCrop(scaled_size(self.size, factor))


@dataclasses.dataclass(frozen=True)
class TorchvisionCentreCrop:
    """torchvision.transforms.CenterCrop(size): half a pixel goes to the even.

    It begins at round((side - size) / 2) of Python: 58 for 58.5, 60 for 59.5.
    """

    size: int
    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class."""
        down, across = (room // 2 + (room % 2) * (room // 2 % 2) for room in _room(view, self.size))
        return view.crop(down, across, self.size, chance=False)

    def scaled(self, factor: float) -> "TorchvisionCentreCrop":
        """For an input `factor` times as large."""
        return TorchvisionCentreCrop(scaled_size(self.size, factor))


@dataclasses.dataclass(frozen=True)
class RandomCrop:
    """Cut a size x size window, all places equally likely.

    From 256 to 224 there are 33 x 33 places.
    """

    size: int
    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class."""
        import tensorflow as tf

        drawn = tf.unstack(key.uniform(2))
        top, left = (
            tf.cast(d * tf.cast(room + 1, tf.float32), tf.int32)
            for d, room in zip(drawn, _room(view, self.size), strict=True)
        )
        return view.crop(top, left, self.size, chance=True)

    def scaled(self, factor: float) -> "RandomCrop":
        """For an input `factor` times as large."""
        return RandomCrop(scaled_size(self.size, factor))


@dataclasses.dataclass(frozen=True)
class RandomFlip:
    """Exchange left and right of half of the images."""

    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class."""
        return view.mirror(key.uniform(1)[0] < 0.5)

    def scaled(self, factor: float) -> "RandomFlip":
        """The same."""
        return self


@dataclasses.dataclass(frozen=True)
class Pad:
    """Add `pixels` of zeros on each side, before any normalisation."""

    pixels: int
    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class."""
        return view.pad(self.pixels)

    def scaled(self, factor: float) -> "Pad":
        """For an input `factor` times as large."""
        return Pad(round(self.pixels * factor))


@dataclasses.dataclass(frozen=True)
class RandomShift:
    """Move the window by up to `pixels` along each axis, to a random place.

    Like padding zeros on all sides and cutting the old size from anywhere, but
    the frame stays: a mean image is subtracted from the image and not from the
    padding (He et al. 2015, Sec. 4.2: 4 pixels, 9 x 9 places).
    """

    pixels: int
    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class; the window must be square and of a known size."""
        import tensorflow as tf

        drawn = tf.cast(key.uniform(2) * (2 * self.pixels + 1), tf.int32)
        down, right = tf.unstack(drawn - self.pixels)
        return view.crop(down, right, view.window.height, chance=True)

    def scaled(self, factor: float) -> "RandomShift":
        """For an input `factor` times as large."""
        return RandomShift(round(self.pixels * factor))


@dataclasses.dataclass(frozen=True)
class UntilEpoch:
    """`operation` in the epochs before `epoch`, nothing from then on.

    Epochs are counted from 0. The pipeline takes it apart.
    """

    epoch: int
    operation: Any

    def scaled(self, factor: float) -> "UntilEpoch":
        """The operation scaled."""
        return UntilEpoch(self.epoch, self.operation.scaled(factor))


def active(transforms: tuple, epoch: int) -> list[tuple[int, Any]]:
    """(place in `transforms`, operation) of those at work in an epoch."""
    unwrapped = []
    for place, transform in enumerate(transforms):
        if isinstance(transform, UntilEpoch):
            if epoch >= transform.epoch:
                continue
            transform = transform.operation
        unwrapped.append((place, transform))
    return unwrapped
