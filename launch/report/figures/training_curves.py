"""Training curves of recorded runs, with the paper's claims beside them."""

import textwrap
from typing import TYPE_CHECKING

import reproductions
from common.papers.expected import read_expected
from launch.report import curves, measurements
from launch.report.papers import Paper

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TEST, TRAIN, PAPER = "#b2182b", "#2166ac", "#222222"


def show(paper: Paper) -> list[dict]:
    """The panels of a paper's picture; empty if it has no recorded run of several epochs."""
    alike: dict[tuple, list[curves.Curve]] = {}
    for curve in paper.curves:  # those that differ in their seed only, together
        if len(curve.test_error) > 1:  # one epoch makes no curve
            alike.setdefault(curve.key()[:-1], []).append(curve)
    return [make_panel(paper.name, group) for group in alike.values()]


def make_panel(paper: str, group: list[curves.Curve]) -> dict:
    """What is shown of runs that differ in their seed only, as JSON values.

    `paper` has the paper's top-1 errors for this network, data, split and view; none of a run
    that was changed in more than its precision: it is not the paper's experiment.
    """
    first = group[0]
    recipe = measurements.recipe_on(paper, first.variant, first.data)
    changed = measurements.changes_of(vars(first), recipe)
    what, expected = f"{first.variant} on {first.data}", read_expected(reproductions.folder(paper))
    claims = expected.find_errors(first.variant, first.data, first.split, first.view)
    return {
        "title": f"{what} (changed: {'; '.join(changed)})" if changed else what,
        "view": f"{first.split} error, {first.view}",
        "paper": claims if measurements.only_precision(changed) else [],
        "runs": [dict(vars(curve)) for curve in group],
    }


def draw(panels: list[dict]) -> "Figure":
    """Top-1 errors over epochs, a thin line for each seed."""
    from matplotlib.figure import Figure

    rows = (len(panels) + 1) // 2
    across = min(2, len(panels))
    figure = Figure(figsize=(4 * across, 2.7 * rows), layout="constrained")
    grid = list(figure.subplots(rows, across, squeeze=False).flat)
    for axes, panel in zip(grid, panels, strict=False):
        _panel(axes, panel)
    for axes in grid[len(panels) :]:
        axes.remove()
    return figure


def _panel(axes: "Axes", panel: dict) -> None:
    for number, run in enumerate(panel["runs"]):
        epochs = range(1, len(run["test_error"]) + 1)
        point = "o" if len(epochs) == 1 else ""  # no line has but one
        look = {"linewidth": 1, "marker": point, "markersize": 2}
        said = ["", ""] if number else ["training error", panel["view"]]
        axes.plot(epochs, run["train_error"], TRAIN, label=said[0], **look)
        axes.plot(epochs, run["test_error"], TEST, label=said[1], **look)
    for error in panel["paper"]:
        label = f"the paper: {error:g} %"
        axes.axhline(error, color=PAPER, dashes=(4, 2), lw=1, label=label)
    seeds = len(panel["runs"])
    title = f"{panel['title']}, {seeds} seed{'s' * (seeds > 1)}"
    axes.set_title(textwrap.fill(title, 56), fontsize=8)
    axes.set_xlabel("epoch")
    axes.set_ylabel("top-1 error, %")
    runs = panel["runs"]
    scale(axes, [e for run in runs for e in (*run["train_error"], *run["test_error"])])
    axes.legend(fontsize=7)


def scale(axes: "Axes", values: list[float]) -> None:
    """Whole epochs, and up from 0 or logarithmic where the last values would lie on the axis."""
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(True)
    low, high = min(values), max(values)
    if low > 0 and high > 8 * low:
        axes.set_yscale("log")
        ticks = [digit * 10.0**power for power in range(-4, 4) for digit in (1, 2, 5)]
        axes.set_yticks([tick for tick in ticks if 0.8 * low < tick < high])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    else:
        axes.set_ylim(0, 1.08 * high)
