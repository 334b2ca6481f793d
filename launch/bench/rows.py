"""What `bench` is asked for, its turns, and its rows: a cost beside its limit."""

import dataclasses
import pathlib
import statistics
from collections.abc import Callable

from common.data import catalog
from common.data.dataset import DataSet
from launch.terminal.display import Counting

PRECISIONS = ("float32", "tensorfloat32", "mixed_bfloat16")  # of a step
Turns = list[tuple[float, float]]  # (CPU seconds of all threads, seconds) of each round


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What one thing costs on this machine.

    Attributes:
        what: What was measured: "alexnet input", "bare crop decode".
        cpu_seconds_per_image: User and system, of all threads; None where
            images are not what is counted. The median over the rounds.
        images_per_second: By the clock; None likewise.
        value: Another quantity, in `unit`: "CPU s", "GFLOP/s", "MiB".
        ratio: This row's cost over its limit's; None where there is no limit.
        limit: The `what` of the row that it is compared with; or empty.
        note: How it was measured, where that is not plain.
    """

    what: str
    cpu_seconds_per_image: float | None = None
    images_per_second: float | None = None
    value: float | None = None
    unit: str = ""
    ratio: float | None = None
    limit: str = ""
    note: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be measured.

    Attributes:
        names: Variants; empty means those that each part of bench chooses.
        data: As --data; None means the recipe's, or sample where that is
            not at hand.
        data_dir: Where TFDS data sets lie.
        gpus, platform: As for a training.
        changes: Of recipes, as --set.
        precisions: Of the step's arithmetic; empty means all, and all that is compared with them.
        rounds: How often everything takes its turn.
        images: In one turn of the input.
    """

    names: tuple[str, ...]
    data: str | None
    data_dir: pathlib.Path
    gpus: int | None = None
    platform: str = "auto"
    changes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    rounds: int = 5
    images: int = 256


def find_data(asked: str | None, own: str, channels: int, data_dir: str) -> DataSet:
    """The data set that --data names; or the recipe's own, or sample where that is not at hand.

    Raises:
        RunError: if what --data names is not there.
    """
    dataset = catalog.find(asked or own, channels, data_dir)
    if asked or not catalog.is_missing(dataset, data_dir):
        return dataset
    return catalog.find("sample", channels)


def take_turns(
    title: str, ways: dict[str, Callable[[], tuple[float, float]]], rounds: int, *, warm_up: bool
) -> dict[str, Turns]:
    """What the ways took, each once in every round; a first round that warms up is left out."""
    turns, counting = {what: [] for what in ways}, Counting()
    for number in range(-1 if warm_up else 0, rounds):
        counting.show(f"{title}, rounds", number + warm_up, rounds + warm_up)
        for what, way in ways.items():
            took = way()
            if number >= 0:
                turns[what].append(took)
    counting.clear()
    return turns


def compare(one: Turns, other: Turns, *, clock: bool = False) -> float:
    """The median over the rounds of one's cost over the other's."""
    return statistics.median(a[clock] / b[clock] for a, b in zip(one, other, strict=True))


def list_rows(
    turns: dict[str, Turns], limits: dict[str, str], *, images: int | None = None, note: str = ""
) -> list[Row]:
    """A row of each way, beside its limit if it has one.

    Args:
        images: Of a turn, and `note` says which; None where no images are counted.
    """
    rows = []
    for what, took in turns.items():
        cpu, seconds = map(statistics.median, zip(*took, strict=True))
        cost = {"value": cpu, "unit": "CPU s", "note": f"{seconds:.2f} s by the clock"}
        if images:
            cost = {"cpu_seconds_per_image": cpu / images, "images_per_second": images / seconds}
            cost["note"] = note
        limit = limits.get(what, "")
        ratio = compare(took, turns[limit]) if limit else None
        rows.append(Row(what=what, ratio=ratio, limit=limit, **cost))
    return rows
