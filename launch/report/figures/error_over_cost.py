"""Size, arithmetic and the paper's error of every network, in one picture."""

import dataclasses
from typing import TYPE_CHECKING

from common.papers.expected import Result, prefer_own
from launch.report.papers import Paper

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Data, split, the error that most papers print, title of the panel. Of a network whose paper
# prints none the error is a release's, or other people's.
PANELS = (
    (
        "imagenet2012",
        "validation",
        "top5_error",
        "ImageNet 2012 validation: top-5 error that the papers print, or else others, %",
    ),
    (
        "cifar10",
        "test",
        "top1_error",
        "CIFAR-10 test: error that the papers print, or else others, %",
    ),
)
# Dark enough for white paper; a paper's is by its place among all: see `color_of`.
COLORS = ("#7f3b08", "#b8860b", "#e08214", "#d6604d", "#b2182b", "#8c6bb1", "#762a83")
COLORS += ("#1b7837", "#2166ac", "#4393c3", "#35978f", "#666666", "#c51b7d", "#5aae61")
OTHER = "#333333"
LONGEST_NAME = 26  # letters of a label
MARGIN = 2  # pixels around one
# Windows seen of one test image, few to many; the fewest that a paper prints.
PROTOCOLS = ("one window", "nine or ten crops", "dense or more")
# Places of a label around its bubble: (to the right, upwards, alignment).
PLACES = (
    (1, 0, "left"),
    (0, 1, "center"),
    (0, -1, "center"),
    (-1, 0, "right"),
    (0.75, 0.75, "left"),
    (0.75, -0.75, "left"),
    (-0.75, 0.75, "right"),
    (-0.75, -0.75, "right"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """A network with the paper's error in percent; `headline`: its paper's first."""

    paper: str
    variant: str
    parameters: int
    macs: int
    error: float
    protocol: str
    color: str
    headline: bool


def points(papers: dict[str, Paper], data: str, split: str, name: str) -> list[Point]:
    """A point for each variant that a paper prints such an error of."""
    found = []
    for number, paper in enumerate(papers.values()):
        for variant in paper.recipes:
            claims = [
                claim
                for claim in paper.expected.result
                if (claim.variant, claim.data, claim.split) == (variant, data, split)
                and getattr(claim, name) is not None
            ]
            if not claims:
                continue
            claim = min(prefer_own(claims), key=_rank_views)
            found.append(
                Point(
                    paper=paper.name,
                    variant=variant,
                    parameters=paper.expected.parameters[variant],
                    macs=paper.expected.macs[variant],
                    error=getattr(claim, name),
                    protocol=PROTOCOLS[_rank_views(claim)],
                    color=color_of(number),
                    headline=variant == next(iter(paper.recipes)),
                )
            )
    return found


def color_of(number: int) -> str:
    """Of the paper at that place; each further round through COLORS is darker."""
    darker, place = divmod(number, len(COLORS))
    rgb = bytes(round(part * 0.55**darker) for part in bytes.fromhex(COLORS[place][1:]))
    return f"#{rgb.hex()}"


def _rank_views(claim: Result) -> int:
    if "centre_crop" in claim.views or claim.views == "single":
        return 0
    return 1 if claim.views.startswith(("nine_crop", "ten_crop")) else 2


def show(papers: dict[str, Paper]) -> list[list[dict]]:
    """The panels' points; empty if there are none."""
    panels = [points(papers, *panel[:3]) for panel in PANELS]
    return [[dict(vars(point)) for point in of] for of in panels if of]


def draw(panels: list[list[dict]]) -> "Figure":
    """Bubbles: multiply-accumulates, error, and parameters as their area."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.9 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    drawn = []
    for axes, shown, (*_, title) in zip(grid, panels, PANELS, strict=False):
        found = [Point(**point) for point in shown]
        by_size = sorted(found, key=lambda p: -p.parameters)  # small on top
        scale = 550 / by_size[0].parameters
        for point in by_size:
            _draw_bubble(axes, point, scale)
        _dress(axes, title, found)
        _draw_legend(axes, by_size, scale)
        drawn.append((axes, found))
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")  # labels must stay where they are put
    for axes, found in drawn:
        _label(axes, found)
    return figure


def _draw_bubble(axes: "Axes", point: Point, scale: float) -> None:
    whole = point.protocol == PROTOCOLS[0]
    axes.scatter(
        point.macs,
        point.error,
        s=max(6, scale * point.parameters),
        facecolor=point.color if whole else "none",
        edgecolor=point.color,
        alpha=0.45 if whole else 0.9,
        linewidth=0.9,
        linestyle=":" if point.protocol == PROTOCOLS[2] else "-",
    )


def _dress(axes: "Axes", title: str, found: list[Point]) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    errors = [point.error for point in found]
    macs = [point.macs for point in found]
    axes.set(xscale="log", yscale="log", title=title)
    axes.set_xlabel("multiply-accumulates of one image, forward")
    axes.set_xlim(min(macs) / 1.5, max(macs) * 1.8)
    axes.set_ylim(min(errors) / 1.13, max(errors) * 1.1)
    ticks = [e for e in (3, 4, 5, 6, 7, 8, 10, 12, 15, 20) if e < max(errors)]
    axes.yaxis.set(major_locator=FixedLocator(ticks), minor_locator=NullLocator())
    axes.yaxis.set_major_formatter("{x:g} %")
    axes.xaxis.set(minor_formatter=NullFormatter())
    axes.xaxis.set_major_formatter(
        lambda macs, _: f"{macs / 1e9:g} G" if macs >= 1e8 else f"{macs / 1e6:g} M"
    )
    axes.grid(True)
    axes.set_axisbelow(True)


def _draw_legend(axes: "Axes", found: list[Point], scale: float) -> None:
    from matplotlib.lines import Line2D

    def key(label: str, color: str = OTHER, **look) -> Line2D:
        return Line2D([], [], color=color, label=label, linestyle="", marker="o", **look)

    ordered = sorted(found, key=lambda p: -p.error)
    keys = [key(paper, color) for paper, color in {p.paper: p.color for p in ordered}.items()]
    if any(point.protocol != PROTOCOLS[0] for point in found):
        keys += [key("filled: one window"), key("open: nine or ten crops", markerfacecolor="none")]
        look = {"facecolor": "none", "edgecolor": OTHER, "linestyle": ":"}
        keys.append(axes.scatter([], [], label="dotted: dense", **look))
    millions = 10 ** (len(str(max(p.parameters for p in found))) - 7)
    size = (scale * millions * 1e6) ** 0.5
    keys.append(key(f"{millions} million parameters", markersize=size, markerfacecolor="none"))
    beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    axes.legend(handles=keys, fontsize=7.5, labelspacing=0.8, **beside)


def _label(axes: "Axes", found: list[Point]) -> None:
    """Names as many networks as there is room for: headlines, then short names.

    Long names are of small changes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(axes.figure).get_renderer()
    frame = axes.get_window_extent(renderer)
    discs = [_find_disc(axes, b) for b in axes.collections if len(b.get_offsets())]
    taken = [axes.get_legend().get_window_extent(renderer)]
    short = [p for p in found if len(p.variant) <= LONGEST_NAME]
    for point in sorted(short, key=lambda p: (not p.headline, len(p.variant), p.error)):
        x, y = axes.transData.transform((point.macs, point.error))
        radius = next(r for a, b, r in discs if abs(x - a) + abs(y - b) < 1e-6)
        away = 72 / axes.figure.dpi * (radius + MARGIN) + 1  # points
        for right, up, side in PLACES:
            text = axes.annotate(
                point.variant.removeprefix("cifar_"),
                (point.macs, point.error),
                (away * right, away * up),
                textcoords="offset points",
                ha=side,
                va="center" if not up else "bottom" if up > 0 else "top",
                fontsize=7.5,
                color=point.color,
            )
            here = text.get_window_extent(renderer).padded(MARGIN)
            hidden = any(map(here.overlaps, taken)) or any(_touch(here, disc) for disc in discs)
            inside = frame.containsx(here.x0) and frame.containsx(here.x1)
            if not hidden and inside and frame.containsy(here.y0):
                taken.append(here)
                break
            text.remove()


def _find_disc(axes: "Axes", bubble) -> tuple[float, float, float]:
    """Centre and radius in pixels."""
    x, y = axes.transData.transform(bubble.get_offsets()[0])
    area = bubble.get_sizes()[0]  # of the square around it, in square points
    return x, y, area**0.5 / 2 * axes.figure.dpi / 72


def _touch(box, disc: tuple[float, float, float]) -> bool:
    x, y, radius = disc
    near_x, near_y = min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1)
    return (near_x - x) ** 2 + (near_y - y) ** 2 < radius**2
