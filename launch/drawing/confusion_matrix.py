"""A confusion matrix as an SVG picture: rows are true classes, columns what they were taken for.

It is as large as the window or page that shows it. Each cell is shaded by
its share of the row, blue where right and red where wrong; it says itself what it counts.
"""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

import numpy as np

from launch.drawing.svg_shapes import line_of_text, text_width

MOST = 100  # classes in a picture
OTHERS = "others"  # the column of guesses that have none of their own
_SIDE = 440  # pixels of the matrix, about
_SMALLEST, _LARGEST = 11, 56  # pixels of a cell
_LETTERS = 24  # of a name
_MARGIN, _GAP, _LINE = 16, 6, 17
_RIGHT, _WRONG = (33, 102, 172), (200, 62, 38)
_STYLE = """
text {{ font: {size}px Helvetica, Arial, sans-serif; fill: #222; }}
.title {{ font-size: 15px; font-weight: bold; }}
.fact {{ font-size: 12px; fill: #444; }}
.row {{ text-anchor: end; }}
.count {{ text-anchor: middle; font-size: 12px; }}
.light {{ fill: #fff; }}
.grid {{ stroke: #e4e4e4; fill: none; }}
"""


def draw(title: str, names: Sequence[str], counts: np.ndarray) -> str:
    """The picture, the text of an SVG file.

    Args:
        names: Of the classes, of which MOST at most are shown: those with most errors. Classes
            that are neither there nor guessed are not, where there are more than MOST.
        counts: (classes, classes), as common.evaluation.outcomes.confusion.
    """
    facts = [
        "rows: the true class; columns: what it was taken for",
        "darker: a larger share of the row; blue: right, red: wrong",
    ]
    if len(names) > MOST:
        errors = counts.sum(axis=1) - np.diag(counts)
        there = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
        shown = np.sort(there[np.argsort(-errors[there], kind="stable")[:MOST]])  # in their order
        facts.append(f"{len(shown)} of {len(names):,} classes, those with most errors")
        rest = np.delete(counts[shown], shown, axis=1).sum(axis=1, keepdims=True)
        counts = np.hstack([counts[np.ix_(shown, shown)], *([rest] if rest.any() else [])])
        names = [names[place] for place in shown]
    rows, columns = counts.shape
    cell = min(_LARGEST, max(_SMALLEST, _SIDE // columns))
    size = min(12, cell - 1)
    names = [name.encode(errors="replace").decode() for name in [*names, OTHERS][:columns]]
    names = [n if len(n) <= _LETTERS else f"{n[: _LETTERS - 1]}…" for n in names]
    widest = max(map(text_width, names)) * size / 12
    upright = widest > cell - _GAP
    left = _MARGIN + widest + _GAP
    top = _MARGIN + _LINE * (len(facts) + 1) + (widest if upright else _LINE) + 2 * _GAP
    markup = [_columns(names, left, top - _GAP, cell, size / 3 if upright else None)]
    markup += [
        _row(names, place, row, left, top + place * cell, cell) for place, row in enumerate(counts)
    ]
    lines = [f"M{left + k * cell:g} {top:g}v{rows * cell}" for k in range(columns + 1)]
    lines += [f"M{left:g} {top + k * cell:g}h{columns * cell}" for k in range(rows + 1)]
    said = max(text_width(_rightly(row, k)) for k, row in enumerate(counts))
    width = left + columns * cell + _GAP + said * size / 12 + _MARGIN
    width = max(width, *(_MARGIN * 2 + text_width(line) for line in facts), 9 * len(title))
    height = top + rows * cell + _MARGIN
    heads = [(title, "title"), *((fact, "fact") for fact in facts)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            'role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE.format(size=size)}</style>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            *(
                line_of_text(_MARGIN, _MARGIN + 12 + _LINE * k, line, look)
                for k, (line, look) in enumerate(heads)
            ),
            f'<path d="{"".join(lines)}" class="grid"/>',
            *markup,
            "</svg>\n",
        ]
    )


def _columns(names, left: float, y: float, cell: int, aside: float | None) -> str:
    """Names above the columns; upright if they stand `aside` of the middle."""
    places = ((left + (k + 0.5) * cell, name) for k, name in enumerate(names))
    if aside is None:
        return "".join(line_of_text(x, y, name, "count") for x, name in places)
    return "".join(
        f'<g transform="translate({x + aside:.4g} {y:g}) rotate(-90)">'
        f"{line_of_text(0, 0, name)}</g>"
        for x, name in places
    )


def _row(names, place: int, counts: np.ndarray, left: float, y: float, cell: int) -> str:
    """Its name, its cells that are not empty, how many are right."""
    total, middle = int(counts.sum()), y + cell / 2 + 4
    markup = [line_of_text(left - _GAP, middle, names[place], "row")]
    for column in np.flatnonzero(counts):
        count, x = int(counts[column]), left + int(column) * cell
        right, share = column == place, count / total
        shade = share if right else math.sqrt(share)  # so that one of many is seen
        full = _RIGHT if right else _WRONG
        colour = "#" + "".join(f"{round(255 + (c - 255) * shade):02x}" for c in full)
        told = f"{names[place]} taken for {names[column]}: {count:,} of {total:,}"
        markup.append(
            f'<rect x="{x:g}" y="{y:g}" width="{cell}" height="{cell}" fill="{colour}">'
            f"<title>{escape(told)}</title></rect>"
        )
        if text_width(f"{count:,}") <= cell - 2 and cell >= 16:
            look = "count light" if shade > 0.55 else "count"
            markup.append(line_of_text(x + cell / 2, middle, f"{count:,}", look))
    markup.append(line_of_text(left + len(counts) * cell + _GAP, middle, _rightly(counts, place)))
    return "".join(markup)


def _rightly(counts: np.ndarray, place: int) -> str:
    total = counts.sum()
    return f"{counts[place]:,} of {total:,}" if total else "no images"
