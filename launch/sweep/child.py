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

from common import files

NO_ROOM = 74  # EX_IOERR of sysexits.h: the disk is at fault, not what was asked
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
            [sys.executable, "-m", __name__, str(os.getpid()), *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=known | environment,
        )


def last_words(output: pathlib.Path) -> str:
    """The last line that a child has written: what it ended with."""
    lines = output.read_text(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "no output")


def main(argv: list[str]) -> int:
    """Runs the command after the number of the process that started it."""
    parent, *words = argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        return 75
    sys.argv = ["launch", *words]  # what the run's record says
    from launch.__main__ import main as command
    from launch.terminal.exits import exit_code

    refusals = []

    def run() -> int:
        try:
            return command(sys.argv)
        except Exception as error:
            refusals.append(files.refused(error))
            raise

    code = exit_code(run)
    return NO_ROOM if any(refusals) else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
