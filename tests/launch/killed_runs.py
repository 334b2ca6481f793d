"""Kills short runs at random moments; run as a program by test_faults.

    python -m tests.launch.killed_runs FOLDER KILLS [SEED]

TensorFlow is imported once; each session of a run is a fork of this process,
killed with SIGKILL at a random moment of its work, until KILLS were made. The
same run then continues with the same command. Prints one JSON line: kills by
what the run was doing, how many runs were ended, and what was wrong.
"""

import collections
import contextlib
import json
import mmap
import os
import pathlib
import random
import shutil
import signal
import sys
import time
import traceback
import zipfile

import numpy as np

from common.training import checkpoints
from launch.__main__ import main
from tests.launch.test_resume import metrics, record, weights

COMMAND = (
    *("lenet5", "--data", "sample", "--platform", "cpu"),
    *("--set", "global_batch_size=12", "--set", "epochs=4"),
    *("--checkpoint_minutes", "0"),
)
STARTS, STEPS, SAVES, TESTS = range(4)
NAMES = ("starting", "in a step", "in a checkpoint", "in an evaluation")
HOOKS = {"measure": TESTS, "_make_updates": STEPS}  # methods of the loop
AIMS = (None, None, STARTS, STEPS, SAVES, SAVES, TESTS)  # by share


def marked(function, phase: mmap.mmap, inside: int, after: int):
    """`function`, saying in the shared byte that it runs."""

    def wrapped(*args, **kwargs):
        phase[0] = inside
        try:
            return function(*args, **kwargs)
        finally:
            phase[0] = after

    return wrapped


def session(folder: pathlib.Path, phase: mmap.mmap) -> None:
    """One session of the run, in this process, which ends with it."""
    code = 99
    try:
        with open(f"{folder}.txt", "a") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        from common.training import loop

        checkpoints.save = marked(checkpoints.save, phase, SAVES, STEPS)
        for name, inside in HOOKS.items():
            setattr(loop.Loop, name, marked(getattr(loop.Loop, name), phase, inside, STEPS))
        code = main(["launch", *COMMAND, "--workdir", str(folder)])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def run_once(folder, phase, delay=None, aim=None) -> tuple[int | None, float]:
    """(exit code, seconds since its first step); code None if it was killed.

    That is done `delay` seconds after its first step, and in the phase `aim`
    if that is given; of STARTS, so many seconds after its start.
    """
    phase[0] = STARTS
    child = os.fork()
    if not child:
        session(folder, phase)
    began = time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            seconds = time.monotonic() - began
            return os.waitstatus_to_exitcode(status), seconds
        if phase[0] == STARTS and aim != STARTS:
            began = time.monotonic()
        late = delay is not None and time.monotonic() - began >= delay
        if late and aim in (None, STARTS, phase[0]):
            time.sleep(random.uniform(0, 0.005))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None, delay
        time.sleep(0.0002 if late else 0.002)


def unreadable(folder: pathlib.Path) -> list[str]:
    """Checkpoints that lie there and cannot be read whole."""
    bad = []
    for file in checkpoints.newest_first(folder / "checkpoints"):
        try:
            with np.load(file) as arrays:
                json.loads(arrays[checkpoints.STATE].tobytes())
                for name in arrays.files:
                    arrays[name]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            bad.append(f"{file}: {error}")
    return bad


def differences(one: pathlib.Path, other: pathlib.Path) -> list[str]:
    """In what two ended runs differ."""
    a, b = weights(one), weights(other)
    odd = [n for n in a if a[n].tobytes() != b[n].tobytes()]
    if metrics(one) != metrics(other):
        odd.append("metrics.jsonl")
    if record(one)["results"] != record(other)["results"]:
        odd.append("results")
    return [f"{other}: {name} differs" for name in odd]


def kill(folder: pathlib.Path, kills: int, seed: int) -> dict:
    """What the kills led to; see the module."""
    phase = mmap.mmap(-1, 1)
    whole = folder / "whole"
    code, length = run_once(whole, phase)
    wrong = ["the whole run failed"] if code else []
    draw = random.Random(seed)
    made, runs = collections.Counter(), 0
    run = folder / "run"
    while not wrong and (sum(made.values()) < kills or run.exists()):
        left = sum(made.values()) < kills
        delay = draw.uniform(0, length / 2) if left else None
        code, _ = run_once(run, phase, delay, draw.choice(AIMS))
        wrong += unreadable(run)
        if code is None:
            made[NAMES[phase[0]]] += 1
        elif code:
            wrong.append(f"{run} ended with exit code {code}")
        else:
            wrong += differences(whole, run)
            runs += 1
            with contextlib.suppress(OSError):
                shutil.rmtree(run)
        told = ", ".join(f"{n} {name}" for name, n in made.items())
        print(f"{sum(made.values())}/{kills} kills: {told}", file=sys.stderr)
    return {"kills": made, "runs": runs, "wrong": wrong}


if __name__ == "__main__":
    where, count, *seeds = sys.argv[1:]
    import launch.session.training  # noqa: F401  TensorFlow, once for all sessions

    seed = int(seeds[0]) if seeds else random.randrange(2**32)
    found = kill(pathlib.Path(where), int(count), seed)
    print(json.dumps({"seed": seed, **found}))
