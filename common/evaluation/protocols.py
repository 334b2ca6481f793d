"""The papers' own test protocols: which parts of a whole image are looked at.

Where common.evaluation.views cuts windows from a recipe's square frame, these start from
the image as it is stored. Each is one frozen value, in the paper's views.py,
with

    average      "softmax" or "logits": what is averaged over the inputs
    parts(h, w)  the network inputs that an image of h x w pixels gives

where h and w may be int32 tensors. Importing this module imports no TensorFlow.
"""

import dataclasses
from typing import Any, ClassVar

from common.data.transforms.geometric import ResizeShorterSide
from common.data.transforms.view import View
from common.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Cut:
    """A rectangle of a canvas, pixels; each an int or a scalar int32 tensor.

    Attributes:
        mirrored: Whether left and right are exchanged after it was cut.
    """

    top: Any
    left: Any
    height: Any
    width: Any
    mirrored: bool


@dataclasses.dataclass(frozen=True)
class Part:
    """Network inputs of one size, from the image at one size.

    Attributes:
        canvas: (height, width) that the whole image is resized to.
        size: (height, width) that each cut is resized to, where it differs.
        cuts: In the canvas.
        weight: Of the mean over this part's inputs; an image's add up to 1.
    """

    canvas: tuple[Any, Any]
    size: tuple[Any, Any]
    cuts: tuple[Cut, ...]
    weight: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class CentreCrop:
    """One square of `size` from the centre, at shorter side `side`."""

    side: int
    size: int
    average: ClassVar[str] = "softmax"

    def parts(self, height: Any, width: Any) -> tuple[Part, ...]:
        """1 input."""
        canvas = _shorter_side(height, width, self.side)
        return (_centre(canvas, self.size),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SquashedCentreCrop:
    """The centre of the image resized to side x side, whatever its aspect."""

    side: int
    size: int
    average: ClassVar[str] = "softmax"

    def parts(self, height: Any, width: Any) -> tuple[Part, ...]:
        """1 input."""
        return (_centre((self.side, self.side), self.size),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TenCrop:
    """Corners and centre of the centre square of `side`; mirrored."""

    side: int
    size: int
    average: str

    def parts(self, height: Any, width: Any) -> tuple[Part, ...]:
        """10 inputs."""
        canvas = _shorter_side(height, width, self.side)
        top, left = _middle(*canvas, self.side)
        squares = [
            (top + y, left + x, self.size) for y, x in _five(self.side, self.side, self.size)
        ]
        return (_squares(canvas, self.size, squares, (False, True)),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SquashedCrops:
    """Corners, centre and all of the image resized to side x side; mirrored.

    "All" is the whole square, resized to `size`.
    """

    side: int
    size: int
    average: ClassVar[str] = "softmax"

    def parts(self, height: Any, width: Any) -> tuple[Part, ...]:
        """12 inputs."""
        canvas = (self.side, self.side)
        squares = _six(0, 0, self.side, self.size)
        return (_squares(canvas, self.size, squares, (False, True)),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SquareCrops:
    """Six windows, and their mirror images, of three squares at each scale.

    Szegedy et al. 2014, Sec. 7: the shorter side is resized to each of
    `sides`; the left, centre and right square are taken (of a portrait the
    top, centre and bottom one); of each the four corners, the centre and the
    whole square resized to `size`. Mean of the softmax outputs.
    """

    sides: tuple[int, ...]
    size: int
    average: ClassVar[str] = "softmax"

    def parts(self, height: Any, width: Any) -> tuple[Part, ...]:
        """36 inputs at each scale."""
        return tuple(self._part(height, width, side) for side in self.sides)

    def _part(self, height: Any, width: Any, side: int) -> Part:
        canvas = _shorter_side(height, width, side)
        down, right = canvas[0] - side, canvas[1] - side  # one of them is 0
        squares = [
            window
            for third in range(3)
            for window in _six(down * third // 2, right * third // 2, side, self.size)
        ]
        both = (False, True)
        return _squares(canvas, self.size, squares, both, len(self.sides))


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridCrops:
    """A regular grid of places x places windows, and mirrored, at each scale.

    Simonyan and Zisserman 2014, Sec. 3.2: "50 crops per scale (5 x 5 regular
    grid with 2 flips)". That the grid spans the whole image, border to border
    along both sides, is our reading. Mean of the softmax outputs (Sec. 4.3).
    """

    sides: tuple[int, ...]
    size: int
    places: int
    average: ClassVar[str] = "softmax"

    def parts(self, height: Any, width: Any) -> tuple[Part, ...]:
        """2 x places x places inputs at each scale."""
        return tuple(self._part(height, width, side) for side in self.sides)

    def _part(self, height: Any, width: Any, side: int) -> Part:
        canvas = _shorter_side(height, width, side)
        last = self.places - 1
        down, right = canvas[0] - self.size, canvas[1] - self.size
        squares = [
            (down * y // last, right * x // last, self.size)
            for y in range(self.places)
            for x in range(self.places)
        ]
        both = (False, True)
        return _squares(canvas, self.size, squares, both, len(self.sides))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dense:
    """The whole image at each shorter side; see common.models.fully_convolutional.

    Simonyan and Zisserman 2014, Sec. 3.2: the network runs over the whole
    image as a convolution, its class scores are averaged over the places of
    their map. What is averaged over scales and mirror images are the softmax
    outputs.
    """

    sides: tuple[int, ...]
    mirrored: bool
    average: ClassVar[str] = "softmax"

    def parts(self, height: Any, width: Any) -> tuple[Part, ...]:
        """1 input at each scale, and if `mirrored` another one."""
        mirrors = (False, True) if self.mirrored else (False,)
        made = []
        for side in self.sides:
            canvas = _shorter_side(height, width, side)
            cuts = tuple(Cut(0, 0, *canvas, mirrored) for mirrored in mirrors)
            made.append(Part(canvas, canvas, cuts, 1 / len(self.sides)))
        return tuple(made)


@dataclasses.dataclass(frozen=True)
class MeanOf:
    """The mean of what several views give, each with the same weight."""

    views: tuple[Any, ...]
    average: ClassVar[str] = "softmax"

    def parts(self, height: Any, width: Any) -> tuple[Part, ...]:
        """The inputs of all of them."""
        return tuple(
            dataclasses.replace(part, weight=part.weight / len(self.views))
            for view in self.views
            for part in view.parts(height, width)
        )


def scaled(view: Any, factor: float) -> Any:
    """The same view for a network whose input is `factor` times as large."""
    if factor == 1:
        return view
    if isinstance(view, MeanOf):
        return MeanOf(tuple(scaled(each, factor) for each in view.views))
    changed = {
        name: round(value * factor)
        for name, value in vars(view).items()
        if name in ("side", "size")
    }
    if hasattr(view, "sides"):
        changed["sides"] = tuple(round(s * factor) for s in view.sides)
    return dataclasses.replace(view, **changed)


def _shorter_side(height: Any, width: Any, side: int) -> tuple[Any, Any]:
    return ResizeShorterSide(side)(View.whole(height, width), None).canvas


def _middle(height: Any, width: Any, size: int) -> tuple[Any, Any]:
    return (height - size) // 2, (width - size) // 2


def _five(height: Any, width: Any, size: int) -> list[tuple[Any, Any]]:
    """Where the four corner crops and the centre crop of an area lie."""
    down, right = height - size, width - size
    corners = [(0, 0), (0, right), (down, 0), (down, right)]
    return [*corners, _middle(height, width, size)]


def _six(top: Any, left: Any, side: int, size: int) -> list[tuple]:
    """(top, left, side) of a square's corners, its centre and all of it."""
    crops = [(top + y, left + x, size) for y, x in _five(side, side, size)]
    return [*crops, (top, left, side)]


def _centre(canvas: tuple, size: int) -> Part:
    square = (*_middle(*canvas, size), size)
    return _squares(canvas, size, [square], (False,))


def _squares(canvas: tuple, size: int, squares: list, mirrors: tuple, scales: int = 1) -> Part:
    """Squares (top, left, side), each resized to `size`; one of `scales`.

    Raises:
        UsageError: if the canvas is known to be too small.
    """
    for side in canvas:
        if isinstance(side, int) and side < size:
            raise UsageError(f"A view cannot cut {size} pixels from an image of {canvas}.")
    cuts = tuple(
        Cut(top, left, side, side, mirrored) for mirrored in mirrors for top, left, side in squares
    )
    return Part(canvas, (size, size), cuts, 1 / scales)
