"""`python -m launch bench`: what input, step and start cost on this machine."""

import dataclasses
import os
import pathlib

import reproductions
from common.distribution.hardware import processor
from common.errors import UsageError, did_you_mean
from common.files import write_json
from common.training.run_record import command, commit_of, now, versions
from launch.bench.rows import Request, Row
from launch.terminal import tables
from launch.terminal.new_files import require_place
from launch.terminal.quiet import quiet

PARTS = ("input", "step", "start")


def run(parts: tuple[str, ...], request: Request, out: pathlib.Path | None) -> int:
    """Measures the parts one after the other, prints and writes the rows.

    Raises:
        UsageError, RunError: if `out` cannot be written, before anything is measured.
    """
    if out:
        require_place(out, "--out")
    load = {"before": os.getloadavg()}
    measured = {part: _measure(part, request) for part in parts}
    load["after"] = os.getloadavg()
    machine = {"processor": processor(), "cores": _cores(), "load": load}
    for part, rows in measured.items():
        tables.show(f"bench {part}", COLUMNS, [_cells(row) for row in rows])
    before, after = (round(numbers[0], 1) for numbers in load.values())
    print(
        f"{machine['processor']}, {machine['cores']} cores; load {before} "
        f"before, {after} after. CPU time is of all threads; a ratio is the "
        "median over rounds in which both took their turns."
    )
    if out:
        facts = {"measured": now(), "command": command(), "machine": machine}
        facts |= {"commit": commit_of(reproductions.REPOSITORY), "versions": versions()}
        rows = {part: [dataclasses.asdict(row) for row in rows] for part, rows in measured.items()}
        write_json(out, facts | rows)
    return 0


def parts_and_names(words: list[str]) -> tuple[tuple[str, ...], list[str]]:
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


def _measure(part: str, request: Request) -> list[Row]:
    with quiet():
        if part == "input":
            from launch.bench import bench_input as bench
        elif part == "step":
            from launch.bench import bench_step as bench
        else:
            from launch.bench import bench_start as bench
    return bench.run(request)


COLUMNS = [*("what", ">CPU ms/image", ">images/s", ">value", ">ratio", "to its limit"), "note"]


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


def _cores() -> int:
    return len(os.sched_getaffinity(0))
