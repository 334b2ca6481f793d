"""`python -m launch bench start`: how long until something happens.

Each command is a fresh process; they take turns, and each is measured in CPU
seconds of all its threads.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from common.data import catalog
from common.errors import RunError
from launch.bench.rows import Request, Row
from launch.terminal.display import Counting

NAME = "cifar_resnet20"
IMPORT = "import tensorflow"
# Trains until the first step was told to the callbacks, and leaves.
FIRST_STEP = """
import os
import sys
import launch.__main__ as command
from launch.session import training as train
class Leaving(train.Progress):
    def on_train_batch_end(self, batch, logs=None):
        os._exit(0)
train.Progress = Leaving
sys.exit(command.main(sys.argv))
"""


def run(request: Request) -> list[Row]:
    """Rows of the commands that people wait for."""
    with tempfile.TemporaryDirectory() as folder:
        commands = _commands(request, folder)
        turns = {what: [] for what in commands}
        counting = Counting()
        for number in range(request.rounds):
            counting.show("starts, rounds", number, request.rounds)
            for what, words in commands.items():
                turns[what].append(_child(what, words))
        counting.clear()
    return [_row(what, turns) for what in turns]


def _commands(request: Request, folder: str) -> dict[str, list[str]]:
    launch = ["-m", "launch"]
    train = [NAME, "--data", _data(request), "--workdir", f"{folder}/run"]
    train += ["--data_dir", str(request.data_dir)]
    return {
        IMPORT: ["-c", "import tensorflow"],
        "--help": [*launch, "--help"],
        "list": [*launch, "list"],
        f"first step of {NAME}": ["-c", FIRST_STEP, *train],
    }


def _data(request: Request) -> str:
    """CIFAR-10, or sample where it is not at hand."""
    if request.data:
        return request.data
    try:
        dataset = catalog.find("cifar10")
        catalog.builder_dir(dataset, str(request.data_dir))
    except RunError:
        return "sample"
    return "cifar10"


def _child(what: str, words: list[str]) -> tuple[float, float]:
    """(CPU seconds, seconds) of a Python process.

    Raises:
        RunError: if it fails.
    """
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, *words],
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").splitlines()
            raise RunError(
                f"bench start: {what} ended with exit code "
                f"{child.returncode}: {(lines or ['no output'])[-1]}"
            )
    return used.ru_utime + used.ru_stime, seconds


def _row(what: str, turns: dict[str, list]) -> Row:
    cpu, seconds = zip(*turns[what], strict=True)
    pairs = zip(cpu, turns[IMPORT], strict=True)
    first = what not in (IMPORT, "--help", "list")
    return Row(
        what=what,
        value=statistics.median(cpu),
        unit="CPU s",
        ratio=statistics.median(a / b for a, (b, _) in pairs) if first else None,
        limit=IMPORT if first else "",
        note=f"{statistics.median(seconds):.2f} s by the clock",
    )
