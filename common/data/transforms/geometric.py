"""Operations on views: resizes, crops, flips and padding.

Random resized crops are in common.data.transforms.random_resized_crop.
"""

import dataclasses
from typing import Any, ClassVar

from common.data.rng import Rng
from common.data.transforms.operation import Geometric
from common.data.transforms.view import Box, Patch, View
from common.errors import UsageError
from common.lazy import tf


def _to_shorter_side(view: View, size: Any, *, rounded: bool = True) -> tuple[Any, Any]:
    """(height, width) whose shorter side is `size`; the longer one rounded, or cut off."""
    height, width = view.canvas
    known = isinstance(height, int) and isinstance(width, int)
    short = min(height, width) if known else tf.minimum(height, width)
    half = short // 2 if rounded else 0
    return tuple((side * size + half) // short for side in view.canvas)


@dataclasses.dataclass(frozen=True)
class ResizeShorterSide(Geometric):
    """Resize so that the shorter side is `size`; the shape stays."""

    size: int
    batched: ClassVar[bool] = True

    def __call__(self, view: View, rng: Rng) -> View:
        return view.resize(*_to_shorter_side(view, self.size))


@dataclasses.dataclass(frozen=True)
class TorchvisionResize(Geometric):
    """torchvision.transforms.Resize(size) of a PIL image, bit for bit.

    The shorter side becomes `size`, the longer one is rounded down; bilinear
    and antialiased, in whole pixel values.
    """

    size: int

    def __call__(self, view: View, rng: Rng) -> View:
        canvas = _to_shorter_side(view, self.size, rounded=False)
        return view.resize(*canvas, whole_values=True)


@dataclasses.dataclass(frozen=True)
class Squash(Geometric):
    """Resize to size x size, whatever the aspect.

    Attributes:
        size: Pixels.
        resampling: The name of a filter: see common.data.transforms.resampling.
    """

    size: int
    resampling: str

    def __call__(self, view: View, rng: Rng) -> View:
        whole = Patch(Box(0, 0, *view.source), (self.resampling,), 0)
        squashed = view.zoom(whole, self.size)
        return squashed.crop(0, 0, self.size, chance=False)  # is the frame


@dataclasses.dataclass(frozen=True)
class RandomShorterSide(Geometric):
    """Resize so that the shorter side is drawn from low .. high, both included.

    Whole pixels, all equally likely; the shape stays. Simonyan and Zisserman
    2014, Sec. 3.1: 256 .. 512; He et al. 2015, Sec. 3.4: 256 .. 480. A mean
    image has no place for what follows: the frame stays what it was.
    """

    low: int
    high: int
    lengths: ClassVar[tuple[str, ...]] = ("low", "high")

    def __call__(self, view: View, rng: Rng) -> View:
        drawn = rng.uniform(1)[0] * (self.high - self.low + 1)
        size = self.low + tf.cast(drawn, tf.int32)
        return view.resize(*_to_shorter_side(view, size), chance=True)


def _room(view: View, size: int) -> tuple[Any, Any]:
    """(vertical, horizontal) pixels that a crop leaves.

    Raises:
        UsageError: if the view is known to be smaller than the crop.
    """
    sides = (view.window.height, view.window.width)
    for side in sides:
        if not isinstance(side, int):
            tf.debugging.assert_greater_equal(side, size, "the image is smaller than the crop")
        elif side < size:
            raise UsageError(f"a crop of {size} from an image of {sides}")
    return sides[0] - size, sides[1] - size


@dataclasses.dataclass(frozen=True)
class CentreCrop(Geometric):
    """Cut the size x size window in the middle."""

    size: int
    batched: ClassVar[bool] = True
    inside: ClassVar[bool] = True

    def __call__(self, view: View, rng: Rng) -> View:
        down, across = _room(view, self.size)
        return view.crop(down // 2, across // 2, self.size, chance=False)


@dataclasses.dataclass(frozen=True)
class TorchvisionCentreCrop(Geometric):
    """torchvision.transforms.CenterCrop(size): half a pixel goes to the even.

    It begins at round((side - size) / 2) of Python: 58 for 58.5, 60 for 59.5.
    """

    size: int

    def __call__(self, view: View, rng: Rng) -> View:
        down, across = (room // 2 + (room % 2) * (room // 2 % 2) for room in _room(view, self.size))
        return view.crop(down, across, self.size, chance=False)


@dataclasses.dataclass(frozen=True)
class RandomCrop(Geometric):
    """Cut a size x size window, all places equally likely.

    From 256 to 224 there are 33 x 33 places.
    """

    size: int
    batched: ClassVar[bool] = True
    uniforms: ClassVar[int] = 2
    inside: ClassVar[bool] = True

    def __call__(self, view: View, rng: Rng) -> View:
        drawn = tf.unstack(rng.uniform(self.uniforms))
        top, left = (
            tf.cast(d * tf.cast(room + 1, tf.float32), tf.int32)
            for d, room in zip(drawn, _room(view, self.size), strict=True)
        )
        return view.crop(top, left, self.size, chance=True)


@dataclasses.dataclass(frozen=True)
class RandomFlip(Geometric):
    """Exchange left and right of half of the images."""

    batched: ClassVar[bool] = True
    uniforms: ClassVar[int] = 1
    inside: ClassVar[bool] = True

    def __call__(self, view: View, rng: Rng) -> View:
        return view.mirror(rng.uniform(self.uniforms)[0] < 0.5)


@dataclasses.dataclass(frozen=True)
class Pad(Geometric):
    """Add `pixels` of zeros on each side, before any normalisation."""

    pixels: int
    batched: ClassVar[bool] = True

    def __call__(self, view: View, rng: Rng) -> View:
        return view.pad(self.pixels)


@dataclasses.dataclass(frozen=True)
class RandomShift(Geometric):
    """Move the square window by up to `pixels` along each axis, to a random place.

    Like padding zeros on all sides and cutting the old size from anywhere, but
    the frame stays: a mean image is subtracted from the image and not from the
    padding (He et al. 2015, Sec. 4.2: 4 pixels, 9 x 9 places).
    """

    pixels: int
    batched: ClassVar[bool] = True
    uniforms: ClassVar[int] = 2

    def __call__(self, view: View, rng: Rng) -> View:
        drawn = tf.cast(rng.uniform(self.uniforms) * (2 * self.pixels + 1), tf.int32)
        down, right = tf.unstack(drawn - self.pixels)
        return view.crop(down, right, view.window.height, chance=True)
