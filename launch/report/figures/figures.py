"""The pictures of `python -m launch report`: SVG files in the repository.

A picture carries the digest of what it shows and of the code that draws it, and
is drawn only if that changed: else `report` needs no matplotlib. The bytes
depend on those and on matplotlib's version, not on time, machine or order.
"""

import dataclasses
import hashlib
import io
import json
import pathlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import reproductions
from common.files import write_text
from launch.report.figures import accuracy_over_cost, challenge, degradation, figure_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = {
    "axes.edgecolor": "#555555",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.dpi": 72,  # as SVG has it, so that labels fit as they were measured
    "figure.facecolor": "white",  # also where GitHub is dark
    "font.family": "DejaVu Sans",  # matplotlib brings it
    "font.size": 8.5,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "path",  # the reader's fonts do not matter
    "svg.hashsalt": "classic-convnets",
    "text.hinting": "none",
    "text.parse_math": False,
}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A file, what it shows as JSON values, and how to draw that."""

    file: pathlib.Path
    shown: Any
    draw: Callable[[Any], "Figure"]

    def digest(self) -> str:
        """Of what is shown and of the code that draws it."""
        parts = [json.dumps([self.shown, STYLE], sort_keys=True)]
        for file in sorted(pathlib.Path(__file__).parent.glob("*.py")):
            parts.append(file.read_text(encoding="utf-8"))
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]

    def is_current(self) -> bool:
        """Whether the file shows it already."""
        if not self.file.exists():
            return False
        last = self.file.read_text(encoding="utf-8").rstrip()
        return last.endswith(self._mark())

    def svg(self) -> str:
        """The file's text."""
        import matplotlib

        with matplotlib.rc_context(STYLE):
            figure = self.draw(self.shown)
            text = io.StringIO()
            metadata = {"Date": None, "Creator": None}
            figure.savefig(text, format="svg", metadata=metadata)
        return f"{_shorter(text.getvalue().rstrip())}\n{self._mark()}\n"

    def _mark(self) -> str:
        return f"<!-- shows {self.digest()} -->"


def _shorter(svg: str) -> str:
    """A third as long, and looks the same: most of a file places letters."""
    for long, short in (
        (r"\n +", "\n"),
        (r"xlink:href", "href"),
        (r"DejaVuSans-", "g"),
        (r'<g id="[a-z0-9_.]+_\d+">', "<g>"),  # nothing refers to these
        # Whole units of a letter: less than a tenth of a point.
        (r'(<use .*)transform="translate\((\d+)\S* 0\)"', r'\1x="\2"'),
    ):
        svg = re.sub(long, short, svg)
    return re.sub(r'\b(d|x|y|transform)="[^"]+"', _rounded, svg)


def _rounded(places: re.Match) -> str:
    """In hundredths of a point; a letter's scale is a number below 0.1."""
    rounded = re.sub(r"(?<!\b0)(\.\d\d)\d+", r"\1", places[0])
    if places[1] == "d":  # no spaces about its commands
        name, quote, path = rounded.partition('"')
        rounded = name + quote + re.sub(r"\s*([A-Za-z])\s*", r"\1", path)
    return rounded


def pictures() -> list[Picture]:
    """Every picture that there is something to show in."""
    contest = reproductions.folder("ilsvrc2016")
    found = [
        Picture(
            contest.parent / "networks.svg", accuracy_over_cost.shown(), accuracy_over_cost.draw
        ),
        Picture(
            contest / "leaderboard.svg",
            challenge.entries(contest / "leaderboard.toml"),
            challenge.draw_entries,
        ),
        Picture(contest / "fusion.svg", challenge.fusions(), challenge.draw_fusions),
        Picture(
            reproductions.folder("resnet_cifar") / "degradation.svg",
            degradation.shown(),
            degradation.draw,
        ),
    ]
    found += [
        Picture(
            reproductions.folder(paper) / "curves.svg",
            figure_curves.shown(paper),
            figure_curves.draw,
        )
        for paper in reproductions.names()
    ]
    return [picture for picture in found if picture.shown]


def write() -> None:
    """Draws the pictures whose content changed."""
    for picture in pictures():
        if not picture.is_current():
            write_text(picture.file, picture.svg())
