"""`python -m launch bench step [NAME...]`: the training step and the loop.

Each way of computing a network's step is a process of its own, which waits
while the others take their turns. What is compared was measured in turns that
follow each other.
"""

import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import reproductions
from common.errors import RunError
from common.recipe import Recipe
from launch.bench_rows import Request, Row
from launch.counting import Counting
from launch.xla import is_small

NAMES = ("cifar_resnet20", "lenet5", "alexnet")
SECONDS = 2.0  # of a turn; a step that takes longer is finished
CHECKPOINTS = 300.0  # seconds between two, as launch has it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Way:
    """How a process computes steps: what launch.bench_steps is told."""

    kind: str  # "loop", "bare", "fit" or "product"
    precision: str = "float32"
    jit_compile: bool = False  # in "fit" Keras decides
    devices: int = 1
    batch: int = 0  # images of an update

    def __str__(self) -> str:
        """What it is called in the table."""
        names = {
            "loop": "loop",
            "bare": "bare step",
            "fit": "keras fit",
            "product": "matrix product",
        }
        parts = [names[self.kind]]
        if self.precision != "float32":
            parts.append(self.precision)
        if self.jit_compile:
            parts.append("XLA")
        if self.devices > 1:
            parts.append(f"{self.devices} devices")
        if self.batch:
            parts.append(f"batch {self.batch}")
        return ", ".join(parts)


class Process:
    """One way, in a process of its own.

    Attributes:
        facts: What it said of itself; or {}.
        failure: Why there is no such way; or "".
        turns: (CPU seconds, seconds) for an image, of each round.
    """

    def __init__(self, way: Way, name: str, folder: str):
        words = {**dataclasses.asdict(way), "name": name, "folder": folder}
        self.turns = []
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "launch.bench_steps"] + [json.dumps(words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            text=True,
        )

    def wait(self) -> bool:
        """Until it has compiled; whether it can go on."""
        line = self.process.stdout.readline()
        self.facts = json.loads(line) if line else {}
        self.failure = "" if line else self._last_words()
        return bool(line)

    def turn(self, seconds: float) -> tuple[float, float]:
        """Steps for so long; what an image took."""
        print(seconds, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RunError(f"A step that is timed died: {self._last_words()}")
        took = json.loads(line)
        return took["cpu"] / took["images"], took["seconds"] / took["images"]

    def _last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().splitlines()
        named = [line for line in lines if "Error: " in line]
        return (named or lines or ["no output"])[-1].rpartition("Error: ")[2]


def run(request: Request) -> list[Row]:
    """Rows of each network of `request.names`, or of NAMES."""
    counting = Counting()
    rows = []
    for name in request.names or NAMES:
        paper, variant = reproductions.find(name)
        recipe = reproductions.load(paper).RECIPES[variant]
        ways = ways_of(recipe)
        for ways in filter(None, (ways_of(recipe), devices_of(recipe))):
            with _processes(ways, variant) as processes:
                _take_turns(processes, variant, request.rounds, counting)
                rows += rows_of(variant, processes)
    counting.clear()
    return rows


def ways_of(recipe: Recipe) -> list[Way]:
    """What is compared: first the loop as launch starts it, then its limit.

    Of photographs fewer than the recipe's batch, to be done in minutes.
    """
    default = is_small(recipe)
    most = 128 if recipe.image_size < 64 else 32
    batch = min(recipe.global_batch_size, most)
    return [
        Way(kind="loop", jit_compile=default, batch=batch),
        *(
            Way(kind="bare", precision=p, jit_compile=jit_compile, batch=batch)
            for p in ("float32", "mixed_bfloat16")
            for jit_compile in (default, not default)
        ),
        Way(kind="fit", batch=batch),
        Way(kind="product"),
        Way(kind="product", precision="bfloat16"),
    ]


def devices_of(recipe: Recipe) -> list[Way]:
    """The recipe's batch on one device, and on two; if it divides."""
    batch = recipe.global_batch_size
    if batch % 2:
        return []
    return [Way(kind="loop", devices=n, batch=batch) for n in (1, 2)]


@contextlib.contextmanager
def _processes(ways: list[Way], name: str) -> Iterator[dict[Way, Process]]:
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        try:
            for i, way in enumerate(ways):
                inside = os.path.join(folder, str(i))
                os.mkdir(inside)
                found[way] = Process(way, name, inside)
            yield found
        finally:
            for one in found.values():
                one.process.kill()
                one.process.wait()


def _take_turns(
    processes: dict, name: str, rounds: int, counting: Counting
) -> None:
    total = (rounds + 2) * len(processes)
    done = 0

    def tell():
        nonlocal done
        done += 1
        counting.show(f"{name}: turns of steps", done, total)

    going = []
    for one in processes.values():
        if one.wait():
            going.append(one)
        tell()
    for number in range(rounds + 1):
        for one in going if number % 2 else reversed(going):
            took = one.turn(SECONDS)
            if number:  # the first round warms up
                one.turns.append(took)
            tell()
        done = (number + 2) * len(processes)


def ratio(one: Process, other: Process, *, clock: bool = False) -> float:
    """The median over the rounds of one's cost over the other's."""
    pairs = zip(one.turns, other.turns, strict=True)
    return statistics.median(a[clock] / b[clock] for a, b in pairs)


def rows_of(name: str, processes: dict[Way, Process]) -> list[Row]:
    """A network's rows, each beside its limit.

    A loop's is the bare step, that step's Keras's fit; the other bare steps
    are compared with the one that launch takes, two devices with one.
    """
    loop, limit, *_ = processes
    limits = {way: limit for way in processes if way.kind == "bare"}
    limits |= {way: loop for way in processes if way.devices > 1}
    for way in processes:
        if way.kind == "fit":
            limits |= {loop: limit, limit: way}
    rows = [
        _product(way, processes[way])
        if way.kind == "product"
        else _row(name, way, processes, limits.get(way))
        for way in processes
    ]
    return [*rows, _memory(name, processes[loop])]


def _row(name: str, way: Way, processes: dict, limit: Way | None) -> Row:
    one, what = processes[way], f"{name} {way}"
    if one.failure:
        return Row(what=what, note=f"impossible: {one.failure}")
    cpu, seconds = map(statistics.median, zip(*one.turns, strict=True))
    note, share = "", 0.0
    if way.kind == "loop":
        # A turn has none: one every five minutes, at this loop's pace.
        share = one.facts["save_cpu"] / CHECKPOINTS * seconds / cpu
        note = f"of this {share:.1%} for checkpoints"
    if way.kind == "bare":
        product = Way(
            kind="product", precision=way.precision.removeprefix("mixed_")
        )
        note = f"{_flops(one) / _flops(processes[product]):.0%} of its rate"
    other = processes.get(limit)
    compared = other and not other.failure
    return Row(
        what=what,
        cpu_seconds_per_image=cpu * (1 + share),
        images_per_second=1 / seconds,
        ratio=ratio(one, other) * (1 + share) if compared else None,
        limit=f"{name} {limit}" if compared else "",
        note=note,
    )


def _flops(one: Process) -> float:
    """Floating-point operations in a CPU second."""
    return one.facts["flop"] / statistics.median(cpu for cpu, _ in one.turns)


def _memory(name: str, one: Process) -> Row:
    """What the loop took until its first update, beside the prediction."""
    taken, predicted = one.facts["bytes"], one.facts["predicted"]
    return Row(
        what=f"{name} memory",
        value=taken / 2**20,
        unit="MiB",
        ratio=taken / predicted,
        limit="predicted by --dry_run",
        note="above what TensorFlow's import takes, until the first update",
    )


def _product(way: Way, one: Process) -> Row:
    note = "of square matrices, in a CPU second"
    return Row(
        what=str(way), value=_flops(one) / 1e9, unit="GFLOP/s", note=note
    )
