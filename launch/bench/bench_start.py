"""`python -m launch bench start`: how long until something happens.

Each command is a fresh process; they take turns, and each is measured in CPU
seconds of all its threads.
"""

import functools
import os
import subprocess
import sys
import tempfile
import time

from common.errors import RunError
from launch.bench.rows import Request, Row, find_data, list_rows, take_turns

NAME = "cifar_resnet20"
IMPORT, FIRST = "import tensorflow", f"first step of {NAME}"
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
        ways = {
            what: functools.partial(run_python, what, words)
            for what, words in list_commands(request, folder).items()
        }
        turns = take_turns("starts", ways, request.rounds, warm_up=False)
    return list_rows(turns, {FIRST: IMPORT})


def list_commands(request: Request, folder: str) -> dict[str, list[str]]:
    """Python's words for each of what is started; the training has its run in `folder`."""
    data_dir = str(request.data_dir)
    data = request.data or find_data(None, "cifar10", 3, data_dir).name
    train = [NAME, "--data", data, "--workdir", f"{folder}/run", "--data_dir", data_dir]
    train += ["--platform", request.platform, *(f"--set={change}" for change in request.changes)]
    train += [] if request.gpus is None else ["--gpus", str(request.gpus)]
    return {
        IMPORT: ["-c", "import tensorflow"],
        "--help": ["-m", "launch", "--help"],
        "list": ["-m", "launch", "list"],
        FIRST: ["-c", FIRST_STEP, *train],
    }


def run_python(what: str, words: list[str]) -> tuple[float, float]:
    """(CPU seconds, seconds) of a Python process.

    Raises:
        RunError: if it fails.
    """
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        child = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=said)
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
