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
from common.errors import RunError, UsageError
from common.recipes.recipe import Recipe, is_small, normalizes_whole_batches
from launch.bench.rows import PRECISIONS, Request, Row, compare
from launch.settings.overrides import apply
from launch.terminal.display import Counting
from launch.terminal.quiet import count_visible_gpus

NAMES = ("cifar_resnet20", "lenet5", "alexnet")
SECONDS = 2.0  # of a turn; a step that takes longer is finished
CHECKPOINTS = 300.0  # seconds between two, as launch has it
TOGETHER = 5  # networks on one GPU, each of which keeps the memory that its first step took
KINDS = {  # what each is called in the table
    "run": "run with its input",
    "loop": "loop",
    "bare": "bare step",
    "fit": "keras fit",
    "product": "matrix product",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Way:
    """How a process computes steps: what launch.bench.step_child is told.

    Attributes:
        kind: "run", a training with its input; "loop", the same with one batch
            in memory; "bare", the step alone; "fit", Keras's; "product".
        platform: The devices', "cpu" or "gpu".
        jit_compile: By XLA; in "fit" Keras decides.
        batch: Images of an update.
    """

    kind: str
    precision: str = "float32"
    platform: str = "cpu"
    jit_compile: bool = False
    devices: int = 1
    batch: int = 0

    def __str__(self) -> str:
        """What it is called in the table."""
        parts = {
            KINDS[self.kind]: True,
            self.precision: self.precision != "float32",
            "XLA": self.jit_compile,
            f"{self.devices} devices": self.devices > 1,
            f"batch {self.batch}": self.batch,
        }
        return ", ".join(part for part, said in parts.items() if said)


class Process:
    """One way, in a process of its own.

    Attributes:
        facts: What it said of itself; or {}.
        failure: Why there is no such way; or "".
        turns: (CPU seconds, seconds) for an image, of each round.
    """

    def __init__(self, way: Way, name: str, folder: str, request: Request):
        words = dataclasses.asdict(way) | {"name": name, "folder": folder, "data": request.data}
        words |= {"data_dir": str(request.data_dir), "changes": list(request.changes)}
        self.turns = []
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "launch.bench.step_child", json.dumps(words)],
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
    """Rows of each network of `request.names`, or of NAMES.

    On the devices that training would use: see launch.session.training.
    """
    rows, counting = [], Counting()
    for name in request.names or NAMES:
        paper, variant = reproductions.find(name)
        recipe = apply(reproductions.load(paper).RECIPES[variant], request.changes)
        gpus = count_gpus(request, recipe)
        for ways in filter(None, list_sets(recipe, gpus, request.precisions)):
            processes = {}
            for some in split_by_memory(ways):
                with _start(some, variant, request) as started:
                    _take_turns(started, variant, request.rounds, counting)
                processes |= started
            rows += rows_of(variant, processes)
    counting.clear()
    return rows


def count_gpus(request: Request, recipe: Recipe) -> int:
    """How many GPUs a training would use; 0 is the CPU.

    Raises:
        UsageError: if more are asked for than there are.
    """
    if request.platform == "cpu" or request.gpus == 0:
        return 0
    present = count_visible_gpus()
    if request.gpus is None and request.platform == "auto" and is_small(recipe):
        return 0
    wanted = present if request.gpus is None else request.gpus
    if wanted > present or request.platform == "gpu" and not present:
        raise UsageError(
            f"bench was asked for GPUs; TensorFlow sees {present} on this "
            "machine. Leave --gpus and --platform out to measure its CPU."
        )
    return wanted


def list_sets(recipe: Recipe, gpus: int, precisions: tuple[str, ...]) -> list[list[Way]]:
    """What is compared with each other; of `precisions`, if there are any, loop and bare step."""
    ways = list_ways(recipe, gpus)
    if not precisions:
        return [ways, list_devices(recipe, gpus)]
    found = []
    for precision in precisions:
        loop = dataclasses.replace(ways[0], precision=precision)
        product = Way(kind="product", precision=precision, platform=loop.platform)
        found += [loop, dataclasses.replace(loop, kind="bare"), product]
    return [found]


def split_by_memory(ways: list[Way]) -> list[list[Way]]:
    """Those that take turns; on GPUs a precision's by themselves if they are over TOGETHER."""
    if ways[0].platform == "cpu":
        return [ways]
    groups = [[]]
    for precision in dict.fromkeys(way.precision for way in ways):
        more = [way for way in ways if way.precision == precision]
        if groups[-1] and sum(way.kind != "product" for way in groups[-1] + more) > TOGETHER:
            groups.append([])
        groups[-1] += more
    return groups


def list_ways(recipe: Recipe, gpus: int = 0) -> list[Way]:
    """What is compared: first the loop as launch starts it, then its limit.

    On a CPU of photographs fewer than the recipe's batch, to be done in
    minutes, and no other arithmetic's loop, as none is a default there.
    """
    default = bool(gpus) or is_small(recipe)
    how = {"platform": "gpu" if gpus else "cpu"}
    precisions, others, batch = PRECISIONS, PRECISIONS[1:], recipe.global_batch_size
    if not gpus:
        precisions, others = ("float32", "mixed_bfloat16"), ()
        batch = min(batch, 128 if recipe.image_size < 64 else 32)
    steps = how | {"batch": batch}
    return [
        Way(kind="loop", jit_compile=default, **steps),
        *(
            Way(kind="bare", precision=p, jit_compile=jit_compile, **steps)
            for p in precisions
            for jit_compile in (default, not default)
        ),
        *(Way(kind="loop", precision=p, jit_compile=default, **steps) for p in others),
        Way(kind="run", jit_compile=default, **steps),
        Way(kind="fit", **steps),
        *(Way(kind="product", precision=p, **how) for p in precisions),
    ]


def list_devices(recipe: Recipe, gpus: int = 0) -> list[Way]:
    """The recipe's batch on one device, and on two; if it divides.

    Of a CPU, two logical devices.
    """
    batch = recipe.global_batch_size
    if batch % 2 or gpus == 1:
        return []
    how = {"platform": "gpu" if gpus else "cpu", "batch": batch}
    together = not normalizes_whole_batches(recipe)  # by XLA, as launch.session.jit_policy has it
    return [
        Way(kind="loop", devices=n, jit_compile=bool(gpus) and (n == 1 or together), **how)
        for n in (1, max(gpus, 2))
    ]


@contextlib.contextmanager
def _start(ways: list[Way], name: str, request: Request) -> Iterator[dict[Way, Process]]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for i, way in enumerate(ways):
                inside = os.path.join(folder, str(i))
                os.mkdir(inside)
                found[way] = Process(way, name, inside, request)
            yield found
        finally:
            for one in found.values():
                one.process.kill()
                one.process.wait()


def _take_turns(processes: dict, name: str, rounds: int, counting: Counting) -> None:
    """Forwards and backwards in turn, so that none is always behind the same other one."""
    going, what = [], f"{name}: steps compiled"
    counting.show(what, 0, len(processes))
    for done, one in enumerate(processes.values(), 1):
        if one.wait():
            going.append(one)
        counting.show(what, done, len(processes))
    what, total = f"{name}: turns of steps", (rounds + 1) * len(going)
    counting.show(what, 0, total)
    for number in range(rounds + 1):
        for place, one in enumerate(going if number % 2 else reversed(going), 1):
            took = one.turn(SECONDS)
            if number:  # the first round warms up
                one.turns.append(took)
            counting.show(what, number * len(going) + place, total)


def rows_of(name: str, processes: dict[Way, Process]) -> list[Row]:
    """A network's rows, each beside its limit.

    A loop's and a run's is the bare step in the same arithmetic, that step's
    Keras's fit; the other bare steps are compared with the one that launch
    takes, on a GPU in their own arithmetic; two devices with one.
    """
    loop, limit, *_ = processes
    limits = {}
    for way in processes:
        if way.kind == "bare":
            own = way.precision if way.platform == "gpu" else limit.precision
            limits[way] = dataclasses.replace(limit, precision=own)
        if way.kind in ("loop", "run"):
            limits[way] = dataclasses.replace(way, kind="bare")
        if way.devices > 1:
            limits[way] = loop
        if way.kind == "fit":
            limits[limit] = way
    rows = [_row(name, way, processes, limits.get(way)) for way in processes]
    if processes[loop].failure:
        return rows
    taken, predicted = (processes[loop].facts[key] for key in ("bytes", "predicted"))
    memory = Row(
        what=f"{name} memory",
        value=taken / 2**20,
        unit="MiB",
        ratio=taken / predicted,
        limit="predicted by --dry_run",
        note="above what TensorFlow's import takes, until the first update",
    )
    return [*rows, memory]


def _row(name: str, way: Way, processes: dict[Way, Process], limit: Way | None) -> Row:
    one, what = processes[way], str(way) if way.kind == "product" else f"{name} {way}"
    clock = way.platform == "gpu"  # whose time the CPU does not know
    if one.failure:
        return Row(what=what, note=f"impossible: {one.failure}")
    if way.kind == "product":
        second = "second" if clock else "CPU second"
        note = f"of square matrices, in a {second}; {one.facts['device']}"
        return Row(what=what, value=_flops(way, one) / 1e9, unit="GFLOP/s", note=note)
    cpu, seconds = map(statistics.median, zip(*one.turns, strict=True))
    note, share = "", 0.0
    if way.kind == "loop":
        # A turn has none: one every five minutes, at this loop's pace.
        share = one.facts["save_cpu"] / CHECKPOINTS * seconds / cpu
        note = f"of this {share:.1%} for checkpoints"
    if way.kind == "run":
        note = f"on {one.facts['data']}"
    if way.kind == "bare":
        product = Way(kind="product", precision=way.precision, platform=way.platform)
        note = f"{(rate := _flops(way, one)) / 1e12:.2f} TFLOP/s"
        if not processes[product].failure:
            note += f", {rate / _flops(way, processes[product]):.0%} of its rate"
        note += f"; the first took {one.facts['first']:.0f} s"
        if clock:
            note += f"; {one.facts['bytes'] / 2**20:,.0f} MiB at most"
    other = processes.get(limit)
    compared = other is not None and other is not one and not other.failure
    ratio = compare(one.turns, other.turns, clock=clock) * (1 + share) if compared else None
    return Row(
        what=what,
        cpu_seconds_per_image=cpu * (1 + share),
        images_per_second=1 / seconds,
        ratio=ratio,
        limit=f"{name} {limit}" if compared else "",
        note=note,
    )


def _flops(way: Way, one: Process) -> float:
    """Floating-point operations in a CPU second, or one of a GPU."""
    clock = way.platform == "gpu"
    return one.facts["flop"] / statistics.median(t[clock] for t in one.turns)
