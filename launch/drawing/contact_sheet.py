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
_WIDTH, _PICTURE, _BAR = 3.2, 2.75, 0.27  # inches: of all, of a photograph, of a class below
_HEADING, _MARGIN = 0.6, 0.15  # inches
_DPI = 100
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
    bars = _BAR * max(len(guesses) for _, _, guesses in entries)
    size = (columns * _WIDTH, rows * (_PICTURE + bars) + _HEADING)
    figure = Figure(size, dpi=_DPI)
    FigureCanvasAgg(figure)
    style = {"fontsize": 10, "fontweight": "bold", "color": _INK}
    middle = 1 - _HEADING / 2 / size[1]
    figure.text(_MARGIN / size[0], middle, heading, va="center", **style)
    for place, entry in enumerate(entries):
        row, column = divmod(place, columns)
        corner = (column * _WIDTH, (rows - 1 - row) * (_PICTURE + bars))
        _draw(figure, *entry, *corner, bars, place in wrong)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no glyph for a name
        figure.savefig(stream, format="png", dpi=_DPI, facecolor="white")
    write_atomically(path, lambda file: file.write(stream.getvalue()))


def _draw(
    figure: Figure,
    title: str,
    picture: Any,
    guesses: Sequence[Guess],
    left: float,
    bottom: float,
    below: float,
    wrong: bool,
) -> None:
    width, height = figure.get_size_inches()

    def axes(y: float, high: float) -> Any:
        across = ((left + _MARGIN) / width, (_WIDTH - 2 * _MARGIN) / width)
        box = (across[0], (bottom + y) / height, across[1], high / height)
        made = figure.add_axes(box)
        made.axis("off")
        return made

    photograph = axes(below + 0.2, 2.2)
    photograph.imshow(picture, interpolation="antialiased")
    photograph.set_anchor("S")
    style = {"fontsize": 8.5, "color": _WRONG if wrong else _FAINT}
    photograph.set_title(_short(title), parse_math=False, pad=5, **style)
    best = _WRONG if wrong else _BEST
    high = _BAR * len(guesses)
    bars = axes(0.1 + below - high, high)
    bars.set_xlim(0, 1)
    bars.set_ylim(len(guesses) - 0.5, -0.5)
    for place, (name, probability) in enumerate(guesses):
        bars.barh(place + 0.28, 1, 0.2, color=_GROUND)
        bars.barh(place + 0.28, probability, 0.2, color=_OTHER if place else best)
        style = {"fontsize": 8.5, "va": "center", "color": _INK}
        style |= {"fontweight": "normal" if place else "bold"}
        bars.text(0, place - 0.1, _short(name), parse_math=False, **style)
        bars.text(1, place - 0.1, f"{100 * probability:.1f} %", ha="right", **style)


def _short(text: str) -> str:
    text = os.fsencode(text).decode(errors="replace")  # names that are no UTF-8
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
