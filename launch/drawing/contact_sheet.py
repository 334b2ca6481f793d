"""A contact sheet: each photograph above the classes that it may be of."""

import io
import os
import pathlib
import warnings
from collections.abc import Container, Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from common.files import write_atomically

Guess = tuple[str, float]
COLUMNS = 4
MOST = 200  # photographs; the rest would make the picture too large to open
_WIDTH, _PICTURE, _BAR = 2.9, 2.2, 0.27  # inches: of a photograph, of a class below
_HEADING, _GAP = 0.5, 0.25  # inches
_LETTERS = 34  # of a name that fit
_BEST, _OTHER, _GROUND = "#2b6ca3", "#9dbdd8", "#f1f3f5"
_INK, _FAINT, _WRONG = "#1c1e21", "#5f6670", "#c83e26"


def write(
    path: pathlib.Path,
    heading: str,
    entries: Sequence[tuple[str, Any, Sequence[Guess]]],
    wrong: Container[int] = (),
) -> None:
    """Writes a PNG, whole or not at all.

    Args:
        heading: Of the whole sheet, up to two lines.
        entries: (title, picture, ((class, probability), ...) best first); of
            more than MOST the first ones.
        wrong: Places of entries whose best class is wrong: red.
    """
    entries = entries[:MOST]
    columns = min(COLUMNS, len(entries))
    rows = -(-len(entries) // columns)
    most = max(len(guesses) for _, _, guesses in entries)
    heights = [_PICTURE, _BAR * (most + 0.5)] * rows
    width = columns * _WIDTH + (columns + 1) * _GAP
    height = _HEADING + sum(heights) + (2 * rows + 1) * _GAP
    figure = Figure((width, height), dpi=100)
    FigureCanvasAgg(figure)
    style = {"fontsize": 10, "fontweight": "bold", "color": _INK}
    figure.text(_GAP / width, 1 - _HEADING / 2 / height, heading, va="center", **style)
    places = {"left": _GAP / width, "right": 1 - _GAP / width, "wspace": _GAP / _WIDTH}
    places |= {"top": 1 - (_HEADING + _GAP) / height, "bottom": _GAP / height}
    places |= {"hspace": 2 * rows * _GAP / sum(heights)}
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=heights)
    figure.subplots_adjust(**places)
    for axes in grid.flat:
        axes.axis("off")
    for place, (title, picture, guesses) in enumerate(entries):
        row, column = divmod(place, columns)
        above, below = grid[2 * row : 2 * row + 2, column]
        above.imshow(picture)
        above.set_anchor("S")
        style = {"fontsize": 8.5, "color": _WRONG if place in wrong else _FAINT}
        above.set_title(_short(title), parse_math=False, pad=5, **style)
        _draw_bars(below, guesses, most, _WRONG if place in wrong else _BEST)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no glyph for a name
        figure.savefig(stream, format="png")
    write_atomically(path, lambda file: file.write(stream.getvalue()))


def _draw_bars(axes: Any, guesses: Sequence[Guess], most: int, best: str) -> None:
    """Each class above its bar, the best one's in that colour; in the place of the most classes."""
    axes.set(xlim=(0, 1), ylim=(most, -0.5))
    for place, (name, probability) in enumerate(guesses):
        axes.barh(place + 0.28, 1, 0.2, color=_GROUND)
        axes.barh(place + 0.28, probability, 0.2, color=_OTHER if place else best)
        style = {"fontsize": 8.5, "va": "center", "color": _INK, "parse_math": False}
        style["fontweight"] = "normal" if place else "bold"
        axes.text(0, place - 0.1, _short(name), **style)
        axes.text(1, place - 0.1, f"{100 * probability:.1f} %", ha="right", **style)


def _short(text: str) -> str:
    text = os.fsencode(text).decode(errors="replace")  # names that are no UTF-8
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
