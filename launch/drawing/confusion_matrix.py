"""A confusion matrix as an SVG picture: rows are true classes, columns what they were taken for."""

import io
import re
import warnings
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

MOST = 100  # classes in a picture
OTHERS = "others"  # the column of guesses that have none of their own
_LETTERS = 24  # of a name
_RIGHT, _WRONG = (33, 102, 172), (200, 62, 38)
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "confusion", "text.parse_math": False}


def draw(title: str, names: Sequence[str], counts: np.ndarray) -> str:
    """The picture, the text of an SVG file: as large as the window or page that shows it.

    Args:
        names: Of the classes, of which MOST at most are shown: those with most errors. Classes
            that are neither there nor guessed are not, where there are more than MOST.
        counts: (classes, classes), as common.evaluation.outcomes.confusion.
    """
    facts = [title, "darker: a larger share of the row; blue: right, red: wrong"]
    if len(names) > MOST:
        errors = counts.sum(axis=1) - np.diag(counts)
        there = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
        shown = np.sort(there[np.argsort(-errors[there], kind="stable")[:MOST]])  # in their order
        facts.append(f"{len(shown)} of {len(names):,} classes, those with most errors")
        rest = np.delete(counts[shown], shown, axis=1).sum(axis=1, keepdims=True)
        counts = np.hstack([counts[np.ix_(shown, shown)], *([rest] if rest.any() else [])])
        names = [names[place] for place in shown]
    names = [name.encode(errors="replace").decode() for name in [*names, OTHERS]]
    names = [n if len(n) <= _LETTERS else f"{n[: _LETTERS - 1]}…" for n in names]
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no glyph here for a name
        svg = _draw("\n".join(facts), names, counts)
    svg = svg[svg.index("<svg") :].replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    return re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)


def _draw(heading: str, names: Sequence[str], counts: np.ndarray) -> str:
    rows, columns = counts.shape
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    cell = min(40, max(9, 330 // columns))  # points
    size = min(9, cell - 1)
    axes = Figure((columns * cell / 72, rows * cell / 72)).add_axes((0, 0, 1, 1))
    axes.imshow(
        np.kron(_colours(shares), np.ones((8, 8, 1), np.uint8)),  # sharp, however large
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
        interpolation="none",
    )
    grid = {"color": "#e4e4e4", "linewidth": 0.5}
    axes.hlines(np.arange(rows + 1) - 0.5, -0.5, columns - 0.5, **grid)
    axes.vlines(np.arange(columns + 1) - 0.5, -0.5, rows - 0.5, **grid)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labeltop=True, labelbottom=False, labelsize=size)
    axes.set_xticks(range(columns), names[:columns], rotation=90)
    axes.set_yticks(range(rows), names[:rows])
    axes.set_title(heading, loc="left", fontsize=9)
    axes.set_xlabel("taken for", fontsize=9)
    axes.set_ylabel("true class", fontsize=9)
    for row, total in enumerate(totals[:, 0]):
        said = f"{counts[row, row]:,} of {total:,}" if total else "no images"
        axes.text(columns - 0.3, row, said, va="center", fontsize=size)
        for column in np.flatnonzero(counts[row]):
            told = f"{counts[row, column]:,}"
            if 0.65 * size * len(told) < cell - 2 and cell >= 16:
                colour = "white" if shares[row, column] > 0.55 else "black"
                style = {"ha": "center", "va": "center", "fontsize": size, "color": colour}
                axes.text(column, row, told, **style)
    text = io.StringIO()
    axes.figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    return text.getvalue()


def _colours(shares: np.ndarray) -> np.ndarray:
    """(rows, columns, 3) uint8."""
    right = np.eye(*shares.shape, dtype=bool)[..., None]
    shares = shares[..., None]
    shades = np.where(right, shares, np.sqrt(shares))  # so that one of many is seen
    return (255 + (np.where(right, _RIGHT, _WRONG) - 255) * shades).astype(np.uint8)
