"""Size, arithmetic and the paper's error of every network, in one picture."""

import dataclasses
from typing import TYPE_CHECKING

import reproductions
from common.papers.expected import Result
from launch.report.papers import Paper

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# Data, split, the error that most papers print, title of the panel.
PANELS = (
    (
        "imagenet2012",
        "validation",
        "top5_error",
        "ImageNet 2012 validation: top-5 error that the papers print, %",
    ),
    ("cifar10", "test", "top1_error", "CIFAR-10 test: error that the papers print, %"),
)
# Dark enough for white paper, and not two alike within a panel.
COLORS = {
    "alexnet": "#7f3b08",
    "bn_inception": "#b8860b",
    "googlenet": "#e08214",
    "inception_v3": "#d6604d",
    "inception_v4": "#b2182b",
    "polynet": "#762a83",
    "preact_resnet": "#1b7837",
    "resnet": "#2166ac",
    "resnet_cifar": "#2166ac",
    "resnext": "#35978f",
    "vgg": "#666666",
    "wide_resnet": "#c51b7d",
}
OTHER = "#333333"
LONGEST_NAME = 26  # letters of a label
MARGIN = 2  # pixels around one
# Windows seen of one test image, few to many; the fewest that a paper prints.
PROTOCOLS = ("one window", "ten crops", "dense or more")
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


@dataclasses.dataclass(frozen=True)
class Point:
    """A network with the paper's error in percent."""

    paper: str
    variant: str
    parameters: int
    macs: int
    error: float
    protocol: str


def points(papers: dict[str, Paper], data: str, split: str, name: str) -> list[Point]:
    """A point for each variant that a paper prints such an error of."""
    found = []
    for paper in papers.values():
        for variant in paper.recipes:
            claims = [
                claim
                for claim in paper.expected.result
                if (claim.variant, claim.data, claim.split) == (variant, data, split)
                and getattr(claim, name) is not None
            ]
            if claims:
                claim = min(claims, key=_windows)
                size = paper.expected.parameters[variant], paper.expected.macs[variant]
                error = getattr(claim, name)
                protocol = PROTOCOLS[_windows(claim)]
                found.append(Point(paper.name, variant, *size, error, protocol))
    return found


def _windows(claim: Result) -> int:
    if "centre_crop" in claim.views or claim.views == "single":
        return 0
    return 1 if claim.views == "ten_crop" else 2


def show(papers: dict[str, Paper]) -> list[list[dict]]:
    """The panels' points; empty if there are none."""
    panels = [points(papers, *panel[:3]) for panel in PANELS]
    return [[dataclasses.asdict(point) for point in of] for of in panels if of]


def draw(panels: list[list[dict]]) -> "Figure":
    """Bubbles: multiply-accumulates, error, and parameters as their area."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.9 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axes, found, panel in zip(grid, panels, PANELS, strict=False):
        ordered = [Point(**p) for p in found]
        ordered.sort(key=lambda p: -p.parameters)  # small ones on top
        largest = 550 / ordered[0].parameters
        for point in ordered:
            _bubble(axes, point, largest)
        _dress(axes, panel[3], ordered)
        _legend(axes, ordered, largest)
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")  # labels must stay where they are put
    for axes, found in zip(grid, panels, strict=True):
        _label(figure, axes, [Point(**p) for p in found])
    return figure


def _bubble(axes: "Axes", point: Point, scale: float) -> None:
    color = COLORS.get(point.paper, OTHER)
    whole = point.protocol == PROTOCOLS[0]
    axes.scatter(
        point.macs,
        point.error,
        s=max(6, scale * point.parameters),
        facecolor=color if whole else "none",
        edgecolor=color,
        alpha=0.45 if whole else 0.9,
        linewidth=0.9,
        linestyle=":" if point.protocol == PROTOCOLS[2] else "-",
    )


def _dress(axes: "Axes", title: str, found: list[Point]) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    errors = sorted(point.error for point in found)
    axes.set(xscale="log", yscale="log", title=title)
    axes.set_xlabel("multiply-accumulates of one image, forward")
    axes.set_xlim(min(p.macs for p in found) / 1.5, 1.8 * _most_macs(found))
    axes.set_ylim(errors[0] / 1.13, errors[-1] * 1.1)
    ticks = [e for e in (3, 4, 5, 6, 7, 8, 10, 12, 15, 20) if e < errors[-1]]
    axes.yaxis.set(major_locator=FixedLocator(ticks))
    axes.yaxis.set_major_formatter("{x:g} %")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(_macs)
    axes.grid(True)
    axes.set_axisbelow(True)


def _most_macs(found: list[Point]) -> int:
    return max(point.macs for point in found)


def _macs(value: float, _: int) -> str:
    return f"{value / 1e9:g} G" if value >= 1e8 else f"{value / 1e6:g} M"


def _legend(axes: "Axes", found: list[Point], scale: float) -> None:
    from matplotlib.lines import Line2D

    def key(label: str, color: str, **look) -> Line2D:
        look = {"marker": "o", "linestyle": "", "label": label} | look
        return Line2D([], [], color=color, **look)

    papers = [p.paper for p in sorted(found, key=lambda p: -p.error)]
    keys = [key(n, COLORS.get(n, OTHER)) for n in dict.fromkeys(papers)]
    if any(point.protocol != PROTOCOLS[0] for point in found):
        keys.append(key("filled: one window", OTHER))
        keys.append(key("open: ten crops", OTHER, markerfacecolor="none"))
        look = {"facecolor": "none", "edgecolor": OTHER, "linestyle": ":"}
        keys.append(axes.scatter([], [], label="dotted: dense", **look))
    millions = 10 ** (len(str(max(p.parameters for p in found))) - 7)
    look = {"markersize": (scale * millions * 1e6) ** 0.5}
    look |= {"markerfacecolor": "none"}
    keys.append(key(f"{millions} million parameters", OTHER, **look))
    beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    axes.legend(handles=keys, fontsize=7.5, labelspacing=0.8, **beside)


def _label(figure: "Figure", axes: "Axes", found: list[Point]) -> None:
    """Names as many networks as there is room for, headlines first."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    box = axes.get_window_extent(renderer)
    bubbles = [b for b in axes.collections if len(b.get_offsets())]
    discs = [_disc(axes, bubble) for bubble in bubbles]
    taken = [axes.get_legend().get_window_extent(renderer)]
    for point in _by_rank(found):
        x, y = axes.transData.transform((point.macs, point.error))
        radius = next(r for a, b, r in discs if abs(x - a) + abs(y - b) < 1e-6)
        for place in PLACES:
            text = _name(axes, point, place, radius)
            here = text.get_window_extent(renderer).padded(MARGIN)
            free = not any(here.overlaps(other) for other in taken)
            clear = not any(_touch(here, disc) for disc in discs)
            if free and clear and box.containsx(here.x0):
                if box.containsx(here.x1) and box.containsy(here.y0):
                    taken.append(here)
                    break
            text.remove()


def _name(axes: "Axes", point: Point, place: tuple, radius: float) -> "Text":
    right, up, side = place
    away = 72 / axes.figure.dpi * (radius + MARGIN) + 1  # points
    return axes.annotate(
        point.variant.removeprefix("cifar_"),
        (point.macs, point.error),
        (away * right, away * up),
        textcoords="offset points",
        ha=side,
        va="center" if not up else "bottom" if up > 0 else "top",
        fontsize=7.5,
        color=COLORS.get(point.paper, OTHER),
    )


def _disc(axes: "Axes", bubble) -> tuple[float, float, float]:
    """Centre and radius in pixels."""
    x, y = axes.transData.transform(bubble.get_offsets()[0])
    area = bubble.get_sizes()[0]  # of the square around it, in square points
    return x, y, area**0.5 / 2 * axes.figure.dpi / 72


def _touch(box, disc: tuple[float, float, float]) -> bool:
    x, y, radius = disc
    near_x, near_y = min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1)
    return (near_x - x) ** 2 + (near_y - y) ** 2 < radius**2


def _by_rank(found: list[Point]) -> list[Point]:
    """Headlines first, then short names; long ones are of small changes."""
    heads = {next(iter(reproductions.load(p.paper).RECIPES)) for p in found}

    def rank(point: Point) -> tuple:
        return point.variant not in heads, len(point.variant), point.error

    short = [p for p in found if len(p.variant) <= LONGEST_NAME]
    return sorted(short, key=rank)
