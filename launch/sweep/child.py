"""A command of this suite as a child of a sweep, which ends when that does.

A trial that went on after its sweep was killed would hold the device and the
trial's folder. Linux sends it a SIGTERM then: it writes a checkpoint and ends.
"""

import ctypes
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable

from common import files
from launch.terminal.exits import STOPPED, exit_code

NO_ROOM = 74  # EX_IOERR of sysexits.h: the disk is at fault, not what was asked
PARENT = "LAUNCH_PARENT"  # the process that started this one, for launch.__main__
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
# A trial is no part of the cluster that its sweep may be started in.
NOT_PASSED = ("KERASTUNER_", "TF_CONFIG", "SLURM_STEP_NUM_TASKS")


def start(words: list[str], output: pathlib.Path, environment: dict[str, str]) -> subprocess.Popen:
    """`python -m launch WORDS`, its output appended to a file.

    It has a session of its own: Ctrl-C reaches it through the sweep alone.
    """
    known = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED)}
    with open(output, "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "launch", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=known | environment | {PARENT: str(os.getpid())},
        )


def last_words(output: pathlib.Path) -> str:
    """The last line that a child has written: what it ended with."""
    lines = output.read_text(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "no output")


def run(command: Callable[[], int], parent: int) -> int:
    """The exit code of a command that the process `parent` started, and that ends with it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return STOPPED
    refusals = []

    def watched() -> int:
        try:
            return command()
        except Exception as error:
            refusals.append(files.refused(error))
            raise

    code = exit_code(watched)
    return NO_ROOM if any(refusals) else code
