"""Trials that are no processes: what a training leaves, without training."""

import functools
import json
import os
import pathlib
from unittest import mock

import reproductions
from common.training.run_record import session_facts
from launch.sweep import child, sweep, trials
from launch.sweep.sweep_request import read_request
from tests.launch.flags import read

SPACE = ["optimizer.learning_rate=log(1e-4,1e-1)"]
session = functools.cache(lambda: session_facts(reproductions.REPOSITORY, cores=2))


def request(name="lenet5", **flags):
    """The request of `sweep NAME` on the sample with these flags."""
    with mock.patch.dict(os.environ, TFDS_DATA_DIR="/nowhere"):
        values = read("sweep", **{"data": "sample", "trials": 4} | flags)
    return read_request(*reproductions.find(name), values)


def search(folder, error, **flags):
    """(exit code, sweep.json) of a sweep whose trainings are made up: see Training."""
    asked = request(workdir=str(folder), **{"space": SPACE, "set": ["epochs=3"]} | flags)
    with (
        mock.patch.object(trials, "POLL_SECONDS", 0),
        mock.patch.object(child, "start", lambda *words: Training(*words, error)),
        mock.patch.object(sweep, "session_facts", lambda *_, **__: dict(session())),
    ):
        code = sweep.run(asked)
    return code, json.loads((folder / "sweep.json").read_text())


def by_rate(settings, epoch):
    """The nearer to 0.01, the better; every epoch is worse than the one before."""
    return 100 * abs(float(settings["optimizer.learning_rate"]) - 0.01) + epoch


class Training:
    """A process of a trial: each poll is the end of an epoch.

    Args:
        error: (settings, epoch) -> its held-out error; may raise what ends
            the sweep, or return the text that the process dies with.
    """

    started: list = []
    trained: list = []  # (trial, epoch)

    def __init__(self, words, output, environment, error):
        self.settings = dict(w[6:].split("=", 1) for w in words if "--set=" in w)
        [where] = [w for w in words if w.startswith("--workdir=")]
        self.folder = pathlib.Path(where.partition("=")[2])
        self.output, self.error, self.asked = output, error, False
        Training.started.append(self.folder.name)
        self.rows = []
        for old in sorted((self.folder / "checkpoints").glob("step-*.npz")):
            self.rows = json.loads(old.read_text())

    def poll(self):
        if self.asked:
            return 75
        if len(self.rows) == int(self.settings["epochs"]):
            return 0
        epoch = len(self.rows) + 1
        found = self.error(self.settings, epoch)
        if isinstance(found, str):
            self.output.write_text(found)
            return child.NO_ROOM if "No space" in found else 1
        self.rows.append({"epoch": epoch, "val_top1_error": found, "seconds": 2.0 * epoch})
        Training.trained.append((self.folder.name, epoch))
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        file = self.folder / "checkpoints" / f"step-{epoch:09d}.npz"
        file.write_text(json.dumps(self.rows))
        lines = "".join(json.dumps(row) + "\n" for row in self.rows)
        (self.folder / "metrics.jsonl").write_text(lines)
        return None

    def terminate(self):
        self.asked = True

    def wait(self):
        """It has ended at once."""
