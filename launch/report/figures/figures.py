"""The pictures of `python -m launch report`: SVG files in the repository.

A picture carries the digest of what it shows and of the code that draws it, and
is drawn only if that changed: else `report` needs no matplotlib. The bytes
depend on those and on matplotlib's version, not on time, machine or order.
"""

import dataclasses
import functools
import hashlib
import io
import json
import pathlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import reproductions
from common.files import write_text
from launch.report.figures import contest, depth, error_over_cost, training_curves
from launch.report.papers import Paper

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONTS = "DejaVu Sans, Verdana, sans-serif"  # of one width: labels fit as they were measured
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
    "svg.fonttype": "none",  # text stays text: short, to be searched and read aloud
    "svg.hashsalt": "classic-convnets",
    "text.hinting": "none",
    "text.parse_math": False,
}


@functools.cache
def _read_code() -> str:
    files = sorted(pathlib.Path(__file__).parent.glob("*.py"))
    return "".join(file.read_text(encoding="utf-8") for file in files)


@dataclasses.dataclass(frozen=True)
class Picture:
    """A file, its title, what it shows as JSON values, and how to draw that."""

    file: pathlib.Path
    title: str
    shown: Any
    draw: Callable[[Any], "Figure"]

    def digest(self) -> str:
        """Of what is shown and of the code that draws it."""
        shown = json.dumps([self.shown, STYLE], sort_keys=True)
        return hashlib.sha256(f"{shown}{_read_code()}".encode()).hexdigest()[:16]

    def is_current(self) -> bool:
        """Whether the file shows it already."""
        return self.file.exists() and self.file.read_bytes().endswith(f"{self._mark()}\n".encode())

    def text(self) -> str:
        """The file's text, drawn if it is not there yet."""
        return self.file.read_text(encoding="utf-8") if self.is_current() else self.svg()

    def svg(self) -> str:
        """The file's text, drawn."""
        return f"{draw_svg(self.draw, self.shown)}\n{self._mark()}\n"

    def _mark(self) -> str:
        return f"<!-- shows {self.digest()} -->"


def draw_svg(draw: Callable[[Any], "Figure"], shown: Any) -> str:
    """What `draw` makes of `shown`, as SVG in the pictures' style."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        text = io.StringIO()
        metadata = {"Date": None, "Creator": None}
        draw(shown).savefig(text, format="svg", metadata=metadata)
    return _shorten(text.getvalue())


def _shorten(svg: str) -> str:
    """What matplotlib wrote, to tenths of a point, its font said once, to stand in a page."""

    def round_all(places: re.Match) -> str:
        digits = 2 if "C" in places[0] else 1  # circles are small
        return re.sub(r"\d+\.\d{2,}", lambda n: f"{float(n[0]):.{digits}f}", places[0])

    svg = svg[svg.index("<svg") :].replace("<svg ", f'<svg font-family="{FONTS}" ', 1)
    svg = re.sub(r"; font-family: 'DejaVu Sans'|font-family: 'DejaVu Sans'; ", "", svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*\)"|(?<=<g) id="[^"]*"', "", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]*"', round_all, svg)
    return re.sub(r"\s*\n\s*", "\n", svg).rstrip()


def pictures(papers: dict[str, Paper]) -> list[Picture]:
    """Every picture that there is something to show in."""
    contest_folder = reproductions.folder("ilsvrc2016")
    found = [
        Picture(
            contest_folder.parent / "networks.svg",
            "Parameters, multiply-accumulates and the papers' errors of all networks",
            error_over_cost.show(papers),
            error_over_cost.draw,
        ),
        Picture(
            contest_folder / "leaderboard.svg",
            "The leaderboard of ILSVRC2016 with its intervals",
            contest.show_entries(),
            contest.draw_entries,
        ),
        Picture(
            contest_folder / "fusion.svg",
            "Fusions by the rules of ILSVRC2016",
            contest.show_fusions(),
            contest.draw_fusions,
        ),
        Picture(
            reproductions.folder("resnet_cifar") / "degradation.svg",
            depth.find_question().title,
            depth.show(papers),
            depth.draw,
        ),
    ]
    found += [
        Picture(
            reproductions.folder(name) / "curves.svg",
            f"{paper.network()}: training curves of the recorded runs",
            training_curves.show(paper),
            training_curves.draw,
        )
        for name, paper in papers.items()
    ]
    return [picture for picture in found if picture.shown]


def write(papers: dict[str, Paper]) -> list[pathlib.Path]:
    """Draws the pictures whose content changed; their files."""
    stale = [picture for picture in pictures(papers) if not picture.is_current()]
    for picture in stale:
        write_text(picture.file, picture.svg())
    return [picture.file for picture in stale]
