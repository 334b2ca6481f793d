"""Layers and their paths as SVG: boxes, what is beside what, and arrows.

Everything is drawn around x = 0 and from y = 0 downwards; `at` moves it.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from xml.sax.saxutils import escape

from common.models.graph import Box, Chain, Parallel

GAP = 18  # from a box to the next one below
BESIDE = 14  # from a path to the next one
HEIGHT = 26  # of a box
_FLAT = 18  # of a concatenation
_RADIUS = 10  # of a sum
_LETTER = 6.6  # pixels, at most, of a letter in a box: 12 pixels Helvetica
_THIN = 8  # of a path with nothing in it
_ELBOW = 8  # above a box, where lines turn


@dataclasses.dataclass(frozen=True)
class Port:
    """Where lines begin or end: from x = low to high, at y.

    Attributes:
        round: A circle, which lines may also enter from its sides.
        bare: Only a line goes on from here, so no arrow ends.
    """

    low: float
    high: float
    y: float
    round: bool = False
    bare: bool = False

    @property
    def middle(self) -> float:
        """x, where there is no reason for another place."""
        return (self.low + self.high) / 2

    def move(self, x: float, y: float) -> "Port":
        """The same elsewhere."""
        return dataclasses.replace(self, low=self.low + x, high=self.high + x, y=self.y + y)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A part of the picture.

    Attributes:
        markup: SVG elements.
        tops: Where lines come in.
        bottoms: Where they go out.
    """

    width: float
    height: float
    markup: str
    tops: tuple[Port, ...]
    bottoms: tuple[Port, ...]

    def at(self, x: float, y: float) -> "Drawn":
        """The same elsewhere; width and height stay."""
        return dataclasses.replace(
            self,
            markup=f'<g transform="translate({x:g} {y:g})">{self.markup}</g>',
            tops=tuple(port.move(x, y) for port in self.tops),
            bottoms=tuple(port.move(x, y) for port in self.bottoms),
        )


def text_width(words: str) -> float:
    """Pixels that a line takes, at most."""
    return _LETTER * len(words)


def line_of_text(x: float, y: float, words: str, look: str = "") -> str:
    """A line; `look` names classes of the style sheet."""
    return f'<text x="{x:g}" y="{y:g}" class="{look}">{escape(words)}</text>'


def chain(parts: Chain) -> Drawn:
    """One below the other, with arrows; what joins paths is as wide as they are."""
    pieces: list[Drawn] = []
    for part in parts:
        if isinstance(part, Parallel):
            pieces.append(parallel(part))
        else:
            pieces.append(box(part, pieces[-1].width if pieces and part.kind == "concat" else 0))
    crossing = any(isinstance(part, Parallel) and part.crossing for part in parts)
    return stack(pieces, GAP, lines=not crossing)


def stack(pieces: Sequence[Drawn], gap: float, *, lines=True) -> Drawn:
    """Pieces from top to bottom."""
    placed: list[Drawn] = []
    y, markup = 0.0, []
    for piece in pieces:
        here = piece.at(0, y)
        if placed and lines:
            markup.append(connect(placed[-1].bottoms, here.tops))
        placed.append(here)
        y += piece.height + gap
    return Drawn(
        max(piece.width for piece in pieces),
        y - gap,
        "".join([*markup, *(piece.markup for piece in placed)]),
        placed[0].tops,
        placed[-1].bottoms,
    )


def parallel(part: Parallel) -> Drawn:
    """Paths side by side; beside one alone, what has nothing in it is an arc.

    The rightmost is the one with nothing in it.
    """
    columns = [
        stack([box(b) for b in path], GAP, lines=False) if part.crossing else chain(path)
        for path in part.paths
    ]
    if not part.identity:
        return place_beside(columns)
    height = max(column.height for column in columns)
    line = f'<path d="M0 0V{height:g}" class="line"/>'
    start, end = Port(0, 0, 0, bare=True), Port(0, 0, height)
    columns.append(Drawn(_THIN, height, line, (start,), (end,)))
    if len(columns) == 2:  # the path stays in the middle
        columns.insert(0, Drawn(_THIN, 0, "", (), ()))
    return place_beside(columns)


def place_beside(columns: Sequence[Drawn]) -> Drawn:
    """Columns from left to right, centred as a whole."""
    width = sum(c.width for c in columns) + BESIDE * (len(columns) - 1)
    x, placed = -width / 2, []
    for column in columns:
        placed.append(column.at(x + column.width / 2, 0))
        x += column.width + BESIDE
    return Drawn(
        width,
        max(column.height for column in columns),
        "".join(column.markup for column in placed),
        tuple(port for column in placed for port in column.tops),
        tuple(port for column in placed for port in column.bottoms),
    )


def box(layer: Box, least: float = 0, *, copies: int = 1) -> Drawn:
    """A layer, or each of its towers, at least so wide; several `copies` are a pile of two."""
    if layer.kind == "sum":
        r = _RADIUS
        markup = (
            f'<circle cx="0" cy="{r}" r="{r}" class="box sum"/>'
            f'<path d="M-5 {r}H5M0 {r - 5}V{r + 5}" class="line"/>'
        )
        return Drawn(2 * r, 2 * r, markup, (Port(-r, r, 0, round=True),), (Port(0, 0, 2 * r),))
    words = label(layer)
    height = _FLAT if layer.kind == "concat" else HEIGHT
    width = max(text_width(words) + 18, least)
    look = layer.kind + " again" * layer.again
    pile = [4, 0] if copies > 1 else [0]
    markup = "".join(
        f'<rect x="{away - width / 2:g}" y="{away:g}" width="{width:g}" height="{height:g}" '
        f'rx="4" class="box {look}"/>'
        for away in pile
    )
    markup += line_of_text(0, height / 2 + 4, words, "in")
    top, bottom = (Port(-width / 2, width / 2, y) for y in (0, height))
    one = Drawn(width, height + pile[0], markup, (top,), (bottom,))
    return one if layer.towers == 1 else place_beside([one] * layer.towers)


def label(layer: Box) -> str:
    """Such as "3×3 conv, 64, /2"; of a tower, its own filters."""
    words = layer.what
    if layer.filters is not None:
        words += f", {layer.filters // layer.towers}"
    if layer.groups > layer.towers:
        words += f", {layer.groups} groups"
    return words + (f", /{layer.strides}" if layer.strides > 1 else "")


def connect(bottoms: Sequence[Port], tops: Sequence[Port], *, cross: bool = False) -> str:
    """Arrows from all to all, or from each to its own where both are many.

    Args:
        cross: From all to all, drawn straight: each tower sees the others.
    """
    own = len(bottoms) == len(tops) and not cross
    pairs = list(zip(bottoms, tops, strict=True) if own else itertools.product(bottoms, tops))
    turned = not all(_above(*pair) for pair in pairs)
    return "".join(
        f'<path d="{_path(low, high, cross, turned)}" class="line{"" if high.bare else " arrow"}"/>'
        for low, high in pairs
    )


def _above(start: Port, end: Port) -> bool:
    """Whether a line straight down joins them where one has its middle."""
    inner = min(start, end, key=lambda port: port.high - port.low)
    outer = end if inner is start else start
    edge = min(_ELBOW, (outer.high - outer.low) / 2)
    return outer.low + edge <= inner.middle <= outer.high - edge


def _path(start: Port, end: Port, straight: bool, turned: bool) -> str:
    x = min(start, end, key=lambda port: port.high - port.low).middle
    shifted = abs(start.middle - end.middle) > 1
    if end.round and shifted:
        y = end.y + _RADIUS
        side = end.low if start.middle < end.middle else end.high
        return f"M{start.middle:g} {start.y:g}V{y:g}H{side:g}"
    if not shifted or (_above(start, end) and not turned):
        return f"M{x:g} {start.y:g}V{end.y:g}"
    if straight:
        return f"M{start.middle:g} {start.y:g}L{end.middle:g} {end.y:g}"
    turn = end.y - _ELBOW
    return f"M{start.middle:g} {start.y:g}V{turn:g}H{end.middle:g}V{end.y:g}"
