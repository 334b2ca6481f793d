"""Trains the runs of reproductions/queue.toml.

One after the other, each in a process of its own. A run that is finished or
recorded in its paper's reproduced.toml is passed over, an unfinished one goes
on from its checkpoint: the queue keeps no state but the runs' folders, and may
be stopped at any moment.
"""

import dataclasses
import pathlib
import subprocess
import sys
import time

import tomli
from absl.flags import FlagValues

import reproductions
from common.errors import RunError
from common.recipes.serialization import recipe_hash
from common.training.run_record import lock_folder, read_record
from common.training.signals import Signals
from launch.commands.names import find, refuse_words
from launch.report import records
from launch.settings.flags import share, switch
from launch.settings.options import name_workdir, read_experiment
from launch.terminal.exits import SIGNALS, STOPPED, as_called
from launch.terminal.quiet import count_visible_gpus
from launch.terminal.tables import show

FILE = pathlib.Path(reproductions.__file__).parent / "queue.toml"
FOLDER = pathlib.Path("runs")
POLL_SECONDS = 0.2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the file: each name with the first seed, then the next seed.

    Without a GPU only `small` ones are trained.
    """

    names: list[str]
    seeds: list[int] = dataclasses.field(default_factory=lambda: [0])
    data: str | None = None
    precision: str = "float32"
    small: bool = False


@dataclasses.dataclass(frozen=True)
class Queued:
    """A run of the queue; `recorded`: in the paper's reproduced.toml; `recipe` is its hash."""

    words: tuple[str, ...]
    workdir: pathlib.Path
    small: bool
    recorded: bool
    recipe: str

    @property
    def command(self) -> str:
        """As a person would type it."""
        return as_called(f"python -m launch {' '.join(self.words)}")

    @property
    def state(self) -> str:
        """Is "recorded"; or of its folder: "finished", "stopped" ...; or "new"."""
        if self.recorded:
            return "recorded"
        record = read_record(self.workdir)
        if record and recipe_hash(record["recipe"]) != self.recipe:
            return "of an earlier recipe"  # which a training goes on from, or refuses
        return record["status"] if record else "new"


def read(data_dir: str, file: pathlib.Path = FILE) -> list[Queued]:
    """The runs in their order.

    Raises:
        UsageError: if the file names a variant that there is not.
        RunError: if it cannot be read.
    """
    try:
        rows = [Row(**row) for row in tomli.loads(file.read_text())["run"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{file} cannot be read: {error}.") from error
    runs, done = [], {}
    for row, seed, name in ((r, s, n) for r in rows for s in r.seeds for n in r.names):
        paper, variant = find(name)
        if paper not in done:
            done[paper] = records.of_recipes(paper)
        words = [variant]
        words += ["--data", row.data] if row.data else []
        words += ["--seed", str(seed)] * bool(seed)
        words += ["--precision", row.precision] * (row.precision != "float32")
        recipe = reproductions.load(paper).RECIPES[variant]
        experiment = read_experiment(paper, variant, recipe, data=row.data, data_dir=data_dir)
        folder = name_workdir(experiment, seed, row.precision, changed=False)
        recipe = recipe_hash(experiment.recipe)
        recorded = (variant, recipe, row.precision, seed) in done[paper]
        runs.append(Queued(tuple(words), folder, row.small, recorded, recipe))
    return runs


USAGE = "queue [--dry_run]"
FLAGS = share("data_dir", "platform", "max_hours") | {"dry_run": switch("show what is left")}


def run(words: list[str], flags: FlagValues) -> int:
    """Trains what is left, or shows it (--dry_run); the exit code.

    0: all that can be trained here is finished. 1: some runs failed, the
    others are finished. 75 or 130: it was stopped.
    """
    refuse_words("queue", words)
    runs = read(flags.data_dir)
    gpu = flags.platform != "cpu" and count_visible_gpus() > 0
    if flags.dry_run:
        rows = [
            [one.command, one.state + ("" if gpu or one.small else ", needs a GPU")] for one in runs
        ]
        show("", ["command", "state"], rows)
        return 0
    began, failed = time.monotonic(), []
    with lock_folder(FOLDER):
        for one in runs:
            if one.state in ("finished", "recorded") or not (gpu or one.small):
                continue
            code = _train(one, flags, began)
            if code in SIGNALS:
                return code
            if code:
                failed.append(" ".join(one.words))
    if failed:
        raise RunError(f"These runs failed: {'; '.join(failed)}.")
    return 0


def _train(one: Queued, flags: FlagValues, began: float) -> int:
    """The exit code of the training, which a signal to us stops, too."""
    words = [*one.words, "--data_dir", flags.data_dir, "--platform", flags.platform]
    if (hours := flags.max_hours) is not None:
        left = hours - (time.monotonic() - began) / 3600
        words += ["--max_hours", str(max(left, 0.0))]
    print(one.command, flush=True)
    with Signals() as signals:
        child = subprocess.Popen([sys.executable, "-m", "launch", *words])
        told = False
        while child.poll() is None:
            time.sleep(POLL_SECONDS)
            if signals.received and not told:
                told = True
                child.terminate()
    if signals.received and child.returncode not in SIGNALS:
        return STOPPED
    return child.returncode
