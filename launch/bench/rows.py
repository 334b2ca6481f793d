"""What `bench` is asked for, and its rows: a cost beside its limit."""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What one thing costs on this machine.

    Attributes:
        what: What was measured: "alexnet input", "bare crop decode".
        cpu_seconds_per_image: User and system, of all threads; None where
            images are not what is counted. The median over the rounds.
        images_per_second: By the clock; None likewise.
        value: Another quantity, in `unit`.
        unit: Of `value`: "s", "GFLOP/s"; or empty.
        ratio: This row's cost over its limit's: the median over rounds that
            alternate between both. None where there is no limit.
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
        rounds: How often everything takes its turn.
        images: In one turn of the input.
        gpus: As for a training.
        platform: As for a training: "auto", "cpu" or "gpu".
        changes: Of recipes, as --set.
    """

    names: tuple[str, ...]
    data: str | None
    data_dir: pathlib.Path
    gpus: int | None = None
    platform: str = "auto"
    changes: tuple[str, ...] = ()
    rounds: int = 5
    images: int = 256
