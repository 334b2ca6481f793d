"""Curves of several runs over each other: loss and error, a colour a run."""

import pathlib
import textwrap
from typing import TYPE_CHECKING

from launch.report import curves
from launch.report.figures.training_curves import scale
from launch.report.run_names import name_runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart by the colour-blind (Okabe and Ito); of more runs a scale from blue to red.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#222222")
WIDE = 46  # characters in a line of the legend, or of the title above a panel


def find_runs(given: list[pathlib.Path]) -> list[pathlib.Path]:
    """The folders of runs, those of a sweep its trials' in their order; no files."""
    found = []
    for path in given:
        trials = [file.parent for file in path.glob("trials/*/run.json")]
        if trials and not (path / "run.json").exists():
            found += sorted(trials, key=lambda trial: (len(trial.name), trial.name))
        elif not path.is_file():
            found.append(path)
    return found


def show(folders: list[pathlib.Path]) -> list[dict]:
    """The panels, as JSON values; empty if no epoch of any run has ended.

    Raises:
        UsageError: if a folder holds no run.
    """
    read = [(folder, *curves.read_run(folder)) for folder in folders]
    begun = [one for one in read if one[2]]
    if not begun:
        return []
    names = name_runs([folder for folder, _, _ in begun], [run for _, run, _ in begun])
    found = [curves.of_run(run, history) for _, run, history in begun]
    splits = {curve.split.replace("_", "-") for curve in found}
    what = " and ".join(dict.fromkeys(f"{curve.variant} on {curve.data}" for curve in found))
    axes = {
        "training loss": [curve.loss for curve in found],
        f"{' or '.join(sorted(splits))} error (top-1, %)": [curve.test_error for curve in found],
    }
    return [
        {
            "title": what,
            "axis": axis,
            "runs": list(zip(names, values, strict=True)),
        }
        for axis, values in axes.items()
    ]


def draw(panels: list[dict]) -> "Figure":
    """The panels beside each other, the runs' names and last values below them."""
    from matplotlib.figure import Figure

    title = textwrap.wrap(panels[0]["title"], WIDE * len(panels))
    lines = sum(len(textwrap.wrap(f"{name}: 0.1234", WIDE)) for name, _ in panels[0]["runs"])
    height = 2.85 + 0.16 * (lines + len(title))
    figure = Figure(figsize=(4 * len(panels), height), layout="constrained")
    figure.suptitle("\n".join(title), fontsize=10, x=0.02, ha="left")
    places = figure.subplots(1, len(panels), squeeze=False).flat
    for axes, panel in zip(places, panels, strict=True):
        _draw_panel(axes, panel)
    return figure


def _draw_panel(axes: "Axes", panel: dict) -> None:
    import matplotlib

    runs = panel["runs"]
    colours = COLOURS[: len(runs)]
    if len(runs) > len(COLOURS):
        colours = matplotlib.colormaps["turbo"].resampled(len(runs))(range(len(runs)))
    for (name, values), colour in zip(runs, colours, strict=True):
        point = "o" if len(values) == 1 else ""
        axes.plot(
            range(1, len(values) + 1),
            values,
            color=colour,
            label=textwrap.fill(f"{name}: {values[-1]:.4g}", WIDE),
            linewidth=1.2,
            marker=point,
            markersize=3,
        )
    scale(axes, [value for _, values in runs for value in values])
    log = ", log scale" * (axes.get_yscale() == "log")
    axes.set_title(f"{panel['axis']} by epoch{log}")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(-0.05, -0.11), borderaxespad=0)
