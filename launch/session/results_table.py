"""The table that a run ends with."""

import pathlib
import shlex

import reproductions
from common.evaluation.metrics import wilson
from common.papers.expected import read_expected
from common.recipes.serialization import spell
from common.training.run_record import list_data_changes, overrides_of
from launch.session.starting_weights import repeats_fine_tuning
from launch.terminal.display import duration, epochs
from launch.terminal.tables import plain
from launch.weights.run_weights import BEST

COLUMNS = ["view", ">images", ">top-1 error", ">top-5 error", ">paper's"]


def results_table(record: dict, history: list[dict]) -> list[str]:
    """Lines: each view's errors, the paper's beside them where comparable.

    Args:
        record: A finished run's run.json.
        history: Its epochs.
    """
    changes, results = overrides_of(record), record["results"]
    of_data = list_data_changes(record)
    rows = []
    for result in results:
        other = "" if result["split"] == results[0]["split"] else f", {result['split']}"
        error = interval(result["top1_error"], result["num_images"])
        paper = "not comparable" if changes or of_data else paper_says(record, result)
        images, top5 = f"{result['num_images']:,}", percent(result["top5_error"])
        rows.append([result["view"] + other, images, error, top5, paper])
    title = (
        f"{record['variant']} on {record['data_title']}, "
        f"seed {record['seed']}, {epochs(record['epochs'])}"
    )
    lines = ["", title, "", *plain("", COLUMNS, rows).splitlines()]
    if changes or of_data:
        lines += ["", "Not the paper's experiment, because:"]
        told = [one for one in changes if not repeats_fine_tuning(one)]
        lines += [f"  {one.field}: {spell(one.new)}, not {spell(one.old)}" for one in told]
        lines += [f"  data: {change}" for change in of_data]
    first, last = history[0], history[-1]
    lines += [
        "",
        f"training loss {first['loss']:.3f} -> {last['loss']:.3f} in "
        f"{epochs(last['epoch'])}; {record['images_per_second']:,} images/s, "
        f"{duration(record['train_seconds'])} of training",
    ]
    best = record.get("best_epoch")
    if best and best["chosen_on"] != "the test set":  # that would be no result
        lines.append(
            f"best epoch {best['epoch']}: {best['top1_error']:.2f} %, chosen "
            f"on {best['chosen_on']}; the result is the last one's"
        )
    if kept := record.get("best_weights"):
        lines.append(
            f"{kept['file']} has the weights of epoch {kept['epoch']}: {kept['top1_error']:.2f} %"
        )
    return lines


def next_commands(folder: pathlib.Path) -> list[str]:
    """Lines: what can be done with a finished run, which knows its network and its data."""
    run = shlex.quote(str(folder))
    best = shlex.quote(str(folder / BEST))
    return [
        "",
        *[f"python -m launch evaluate {best}    # the best epoch"] * (folder / BEST).exists(),
        f"python -m launch evaluate {run}            # what is wrong where",
        f"python -m launch predict {run} IMAGE...    # photographs, or folders of them",
        f"python -m launch export {run} --out served/1",
    ]


def percent(value: float | None) -> str:
    """Two decimals, or a dash for what was not measured."""
    return "-" if value is None else f"{value:.2f} %"


def interval(error: float, images: int) -> str:
    """A percentage with its 95 % interval, from the images alone."""
    low, high = wilson(error / 100 * images, images)
    return f"{error:.2f} ({100 * low:.2f} to {100 * high:.2f}) %"


def paper_says(record: dict, result: dict) -> str:
    """The paper's top-1 error for the same variant, data, split and view."""
    expected = read_expected(reproductions.folder(record["paper"]))
    protocol = record["recipe"]["data"], result["split"], result["view"]
    return " / ".join(map(percent, expected.find_errors(record["variant"], *protocol))) or "-"
