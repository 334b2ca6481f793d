"""What input, step and start cost on this machine, each beside its limit."""

import dataclasses
import importlib
import os
import pathlib

from absl.flags import FlagValues

import reproductions
from common.distribution.hardware import processor
from common.errors import UsageError, did_you_mean
from common.files import write_json
from common.training.run_record import command, commit_of, now, versions
from launch.bench.rows import PRECISIONS, Request, Row
from launch.commands.names import find
from launch.settings.flags import items, path, share, whole
from launch.terminal import tables
from launch.terminal.new_files import require_place
from launch.terminal.quiet import quiet

USAGE = "bench [input|step|start] [NAME...] [--out FILE.json]"
FLAGS = share("gpus", "platform", "data", "data_dir", "set") | {
    "precision": items(
        f"of step: only loop and bare step in these, with commas: {', '.join(PRECISIONS)}; "
        "default: all, and all that they are compared with"
    ),
    "rounds": whole("in which everything takes its turn", 5, low=1),
    "out": path("a JSON file"),
}
PARTS = ("input", "step", "start")
COLUMNS = [*("what", ">CPU ms/image", ">images/s", ">value", ">ratio", "to its limit"), "note"]


def run(words: list[str], flags: FlagValues) -> int:
    """Measures and prints; exit code 0."""
    parts, names = read_parts(words)
    request = Request(
        names=tuple(find(name)[1] for name in names),
        data=flags.data,
        data_dir=pathlib.Path(flags.data_dir).expanduser(),
        gpus=flags.gpus,
        platform=flags.platform,
        changes=tuple(flags.set),
        precisions=read_precisions(parts, flags.precision),
        rounds=flags.rounds,
    )
    return measure(parts, request, flags.out)


def read_parts(words: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """What `bench [PART] [NAME...]` means: the parts, and the names.

    Raises:
        UsageError: for names without a part, which differ from part to part.
    """
    if not words:
        return PARTS, []
    part, *names = words
    if part not in PARTS:
        raise UsageError(
            f"bench measures {', '.join(PARTS)}; it was asked for {part!r}."
            f"{did_you_mean(part, PARTS)} python -m launch bench input "
            "alexnet, for example."
        )
    if part == "start" and names:
        raise UsageError("bench start takes no names: it starts cifar_resnet20.")
    return (part,), names


def read_precisions(parts: tuple[str, ...], asked: list[str]) -> tuple[str, ...]:
    """What `--precision` names.

    Raises:
        UsageError: for another one, or where no step is measured.
    """
    for name in asked:
        if name not in PRECISIONS:
            raise UsageError(
                f"--precision {name}: bench measures {', '.join(PRECISIONS)}."
                f"{did_you_mean(name, PRECISIONS)}"
            )
    if asked and parts != ("step",):
        raise UsageError("--precision is for bench step.")
    return tuple(asked)


def measure(parts: tuple[str, ...], request: Request, out: pathlib.Path | None) -> int:
    """Measures the parts one after the other, prints and writes the rows.

    Raises:
        UsageError, RunError: if `out` cannot be written, before anything is measured.
    """
    if out:
        require_place(out, "--out")
    load, measured = {"before": os.getloadavg()}, {}
    for part in parts:
        with quiet():
            module = importlib.import_module(f"launch.bench.bench_{part}")
        measured[part] = module.run(request)
    load["after"] = os.getloadavg()
    cores = len(os.sched_getaffinity(0))
    machine = {"processor": processor(), "cores": cores, "load": load}
    for part, rows in measured.items():
        tables.show(f"bench {part}", COLUMNS, [_cells(row) for row in rows])
    before, after = (round(numbers[0], 1) for numbers in load.values())
    print(
        f"{machine['processor']}, {cores} cores; load {before} "
        f"before, {after} after. CPU time is of all threads; a ratio is the "
        "median over rounds in which both took their turns."
    )
    if out:
        facts = {"measured": now(), "command": command(), "machine": machine}
        facts |= {"commit": commit_of(reproductions.REPOSITORY), "versions": versions()}
        rows = {part: [dataclasses.asdict(row) for row in rows] for part, rows in measured.items()}
        write_json(out, facts | rows)
    return 0


def _cells(row: Row) -> list[str]:
    cpu, speed = row.cpu_seconds_per_image, row.images_per_second
    return [
        row.what,
        "" if cpu is None else f"{1e3 * cpu:.3f}",
        "" if speed is None else f"{speed:,.0f}",
        "" if row.value is None else f"{row.value:.3g} {row.unit}",
        "" if row.ratio is None else f"{row.ratio:.2f}",
        row.limit,
        row.note,
    ]
