"""ILSVRC2016's leaderboard, and fusions by its rules as measured here."""

from typing import TYPE_CHECKING

from common.evaluation.metrics import wilson
from launch.report import fusion_records, leaderboard

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOT, ALONE = "#2166ac", "#888888"


def show_entries() -> list[dict]:
    """[{name, error, low, high}] in percent; without entries that have no error."""
    data = leaderboard.read()
    images = data.get("classification_images")
    return [
        _interval(
            f"{one['team']}: {one['entry'].partition(' [')[0]}",
            round(one["classification"] * images),
            images,
        )
        for one in data.get("entry", [])
        if "classification" in one
    ]


def show_fusions() -> list[dict]:
    """The measured fusions: members alone, then every rule."""
    return [
        {
            "title": f"{rows[0]['data']}, {rows[0]['split']}, {rows[0]['n']:,} images",
            "bars": [
                _interval(name, row["wrong1"], row["n"]) | {"alone": row["rule"] == "alone"}
                for name, row in fusion_records.name_rows(rows)
            ],
        }
        for rows in fusion_records.group_rows()
    ]


def _interval(name: str, wrong: int, images: int) -> dict:
    low, high = wilson(wrong, images)
    errors, low, high = (round(100 * x, 4) for x in (wrong / images, low, high))
    return {"name": name, "error": errors, "low": low, "high": high}


def draw_entries(found: list[dict]) -> "Figure":
    """Top-5 errors with the interval that 100,000 test images leave."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.19 * len(found) + 1), layout="constrained")
    axes = figure.subplots()
    _bars(axes, found)
    axes.set_title("ILSVRC2016, classification: top-5 test error and its 95 % interval, %")
    return figure


def draw_fusions(found: list[dict]) -> "Figure":
    """Top-1 errors of members and rules, each group in a panel of its own."""
    from matplotlib.figure import Figure

    heights = [len(group["bars"]) + 3 for group in found]
    size = (8, 0.17 * sum(heights))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(found), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, group in zip(grid, found, strict=True):
        _bars(axes, group["bars"])
        axes.set_title(f"{group['title']}: top-1 error, % (grey: one member alone)")
    return figure


def _bars(axes: "Axes", found: list[dict]) -> None:
    for place, one in enumerate(found):
        color = ALONE if one.get("alone") else DOT
        axes.plot([one["low"], one["high"]], [place] * 2, color=color, lw=1.5)
        axes.plot(one["error"], place, "o", color=color, markersize=4)
    axes.set_yticks(range(len(found)), [one["name"] for one in found])
    axes.tick_params(axis="y", length=0, labelsize=7.5)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.grid(True, axis="x")
