"""Errors over epochs of networks of two depths, as He et al. 2015, Fig. 6.

Left plain, right residual networks; training error dashed, test error solid.
Drawn when all four runs are recorded.
"""

from typing import TYPE_CHECKING

from launch.report.papers import Paper
from launch.report.questions import question_spec
from launch.report.questions.question_runs import find_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#2166ac", "#b2182b")  # the shallower and the deeper network


def find_question() -> question_spec.Question:
    """The question that the picture belongs to."""
    (found,) = [q for q in question_spec.read() if q.name == "depth"]
    return found


def show(papers: dict[str, Paper]) -> list[list[dict]]:
    """A panel for each comparison: the first seed's curve of the shallow network, of the deep.

    Empty unless every line has a run, and all were changed alike.
    """
    found = find_lines(find_question(), papers)
    changes = {line.measured and line.measured.changes for line in found}
    if len(changes) != 1 or not all(line.curves for line in found):
        return []
    first = {line.wanted.variant: vars(line.curves[min(line.curves)]) for line in found}
    return [
        [dict(first[line.wanted.against]), dict(first[line.wanted.variant])]
        for line in found
        if line.wanted.against
    ]


def draw(panels: list[list[dict]]) -> "Figure":
    """Panels side by side, on one scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(panels), 3), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)
    for axes, curves in zip(grid.flat, panels, strict=True):
        _draw_panel(axes, curves)
    return figure


def _draw_panel(axes: "Axes", curves: list[dict]) -> None:
    for colour, curve in zip(COLOURS, curves, strict=True):
        epochs = range(1, len(curve["test_error"]) + 1)
        for name, dashes in (("train", (3, 2)), ("test", (None, None))):
            label, errors = f"{curve['variant']}, {name}", curve[f"{name}_error"]
            axes.plot(epochs, errors, colour, dashes=dashes, label=label, lw=1)
    axes.set_title(f"{curves[0]['data']}: {curves[0]['variant']} and deeper")
    axes.set_xlabel("epoch")
    axes.set_ylabel("top-1 error, %")
    axes.set_ylim(bottom=0)
    axes.tick_params(labelleft=True)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(True)
    axes.legend(fontsize=7)
