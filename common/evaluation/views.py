"""Test-time views: which crops of an image a network looks at.

Each is one frozen value with

    average                        "softmax" or "logits": what is averaged over the crops
    scaled_images(height, width)   what is cut from an image of that size

where height and width may be int32 tensors. A FrameView's image is the frame that the
recipe's test_transforms make. The others are the papers' own, in their recipe.py: their
image is the one that is stored. Importing this module imports no TensorFlow.
"""

import dataclasses
import itertools
from typing import Any, ClassVar

from common.data.transforms.geometric import ResizeShorterSide
from common.data.transforms.view import View
from common.errors import UsageError

NAMES = ("single", "centre_crop", "nine_crop", "ten_crop")  # of frame views


@dataclasses.dataclass(frozen=True)
class Crop:
    """A rectangle of an image, pixels; each an int or a scalar int32 tensor.

    Attributes:
        mirrored: Whether left and right are exchanged after it was cut.
    """

    top: Any
    left: Any
    height: Any
    width: Any
    mirrored: bool


@dataclasses.dataclass(frozen=True)
class ScaledImage:
    """The whole image at one size, and what the network sees of it.

    Attributes:
        canvas: (height, width) that the whole image is resized to.
        size: Height and width that each crop is resized to, where it has others; None leaves
            the crops as large as they are.
        crops: Of the canvas.
        weight: Of the mean over these crops; a view's add up to 1.
    """

    canvas: tuple[Any, Any]
    size: int | None
    crops: tuple[Crop, ...]
    weight: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Crops:
    """Crops of the image at each of several sizes; `_locate` says where.

    Attributes:
        sides: The image's shorter side is resized to each of them.
        size: Height and width of the network's input; None takes each crop as it is.
        squashed: Whether the image is resized to side x side instead, whatever its aspect.
        mirrored: Whether the mirror image of each crop is seen, too.
    """

    sides: tuple[int, ...]
    size: int | None
    squashed: bool = False
    mirrored: bool = False
    average: str = "softmax"

    def _locate(self, height: Any, width: Any, side: int) -> list[tuple[Any, Any, Any, Any]]:
        """(top, left, height, width) of the crops of the image at shorter side `side`."""
        raise NotImplementedError

    def scaled_images(self, height: Any, width: Any) -> tuple[ScaledImage, ...]:
        """One for each side.

        Raises:
            UsageError: if one is known to be smaller than its crops.
        """
        made = []
        for side in self.sides:
            canvas = ResizeShorterSide(side)(View.whole(height, width), None).canvas
            canvas = (side, side) if self.squashed else canvas
            if any(isinstance(n, int) and n < (self.size or 0) for n in canvas):
                raise UsageError(f"A view cannot cut {self.size} pixels from an image of {canvas}.")
            crops = [
                Crop(*place, mirrored)
                for mirrored in (False, True)[: 1 + self.mirrored]
                for place in self._locate(*canvas, side)
            ]
            made.append(ScaledImage(canvas, self.size, tuple(crops), 1 / len(self.sides)))
        return tuple(made)


class CentreCrop(Crops):
    """One from the centre."""

    def _locate(self, height: Any, width: Any, side: int) -> list[tuple[Any, Any, Any, Any]]:
        return [_centre(height, width, self.size)]


class CornerCrops(Crops):
    """The image's corners and centre; with their mirror images ten crops."""

    def _locate(self, height: Any, width: Any, side: int) -> list[tuple[Any, Any, Any, Any]]:
        return _five(0, 0, height, width, self.size)


class SquareCrops(Crops):
    """Six of each of three squares: four corners, the centre, and the whole square.

    Szegedy et al. 2014, Sec. 7, at four scales, mirrored: 144 crops. The squares are the left,
    centre and right one (of a portrait the top, centre and bottom one); "the whole square" is
    resized to `size`. A squashed image is one square.
    """

    def _locate(self, height: Any, width: Any, side: int) -> list[tuple[Any, Any, Any, Any]]:
        down, right = height - side, width - side  # one of them is 0
        thirds = [(down * i // 2, right * i // 2, side, side) for i in range(3)]
        thirds = thirds[:1] if self.squashed else thirds
        return [six for third in thirds for six in (*_five(*third, self.size), third)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridCrops(Crops):
    """A regular grid of places x places.

    Simonyan and Zisserman 2014, Sec. 3.2: "50 crops per scale (5 x 5 regular grid with 2
    flips)". That the grid spans the whole image, border to border along both sides, is our
    reading.
    """

    places: int

    def _locate(self, height: Any, width: Any, side: int) -> list[tuple[Any, Any, Any, Any]]:
        down, right, last = height - self.size, width - self.size, self.places - 1
        grid = itertools.product(range(self.places), repeat=2)
        return [(down * y // last, right * x // last, self.size, self.size) for y, x in grid]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dense(Crops):
    """The whole image at each shorter side; see common.models.fully_convolutional.

    Simonyan and Zisserman 2014, Sec. 3.2: the network runs over the whole image as a
    convolution, its class scores are averaged over the places of their map. What is averaged
    over scales and mirror images are the softmax outputs.
    """

    size: None = None
    squashed: ClassVar[bool] = False
    average: ClassVar[str] = "softmax"

    def _locate(self, height: Any, width: Any, side: int) -> list[tuple[Any, Any, Any, Any]]:
        return [(0, 0, height, width)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameView:
    """What recipes and users name: crops of the square frame, none resized.

    "single": the whole frame. "centre_crop". "nine_crop": at the top, middle and bottom,
    left, in the middle and right, none mirrored (cuda-convnet's multiview test). "ten_crop":
    the four corners and the centre, then the mirror image of each (Krizhevsky et al. 2012,
    Sec. 4.1): offsets 0, 16 and 32 for 224 of 256.

    Attributes:
        name: One of NAMES.
        size: Height and width of the network's input, pixels.
    """

    name: str
    size: int
    average: ClassVar[str] = "softmax"

    def scaled_images(self, height: int, width: int) -> tuple[ScaledImage, ...]:
        """The frame itself and its crops.

        Raises:
            UsageError: if it does not fit.
        """
        if self.size > height or (self.name == "single" and self.size != height):
            raise UsageError(
                f"The view {self.name!r} cannot cut {self.size} pixels from a frame of "
                f"{height} pixels."
            )
        sizes = {"sides": (height,), "size": self.size}
        if self.name == "nine_crop":
            return GridCrops(**sizes, places=3).scaled_images(height, width)
        if self.name == "ten_crop":
            return CornerCrops(**sizes, mirrored=True).scaled_images(height, width)
        return CentreCrop(**sizes).scaled_images(height, width)


@dataclasses.dataclass(frozen=True)
class MeanOf:
    """The mean of what several views give, each with the same weight."""

    views: tuple[Any, ...]
    average: ClassVar[str] = "softmax"

    def scaled_images(self, height: Any, width: Any) -> tuple[ScaledImage, ...]:
        """Those of all of them."""
        return tuple(
            dataclasses.replace(image, weight=image.weight / len(self.views))
            for view in self.views
            for image in view.scaled_images(height, width)
        )


def rescale(view: Any, factor: float) -> Any:
    """The same view for a network whose input is `factor` times as large."""
    if factor == 1:
        return view
    if isinstance(view, MeanOf):
        return MeanOf(tuple(rescale(each, factor) for each in view.views))
    sides = tuple(round(side * factor) for side in view.sides)
    return dataclasses.replace(view, sides=sides, size=view.size and round(view.size * factor))


def _centre(height: Any, width: Any, size: int) -> tuple[Any, Any, int, int]:
    """(top, left, height, width) of a square of `size` in the middle."""
    return (height - size) // 2, (width - size) // 2, size, size


def _five(
    top: Any, left: Any, height: Any, width: Any, size: int
) -> list[tuple[Any, Any, int, int]]:
    """The corner crops and the centre crop of a rectangle, likewise."""
    down, right = height - size, width - size
    places = ((0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2))
    return [(top + y, left + x, size, size) for y, x in places]
