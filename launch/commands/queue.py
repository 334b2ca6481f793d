"""`python -m launch queue`: trains the runs of reproductions/queue.toml.

One after the other, each in a process of its own. A finished run is passed
over, an unfinished one goes on from its checkpoint: the queue keeps no state
but the runs' folders, and may be stopped at any moment.
"""

import dataclasses
import json
import pathlib
import subprocess
import sys
import time

import tomli

import reproductions
from common.errors import RunError
from common.training.run_record import lock_folder
from common.training.signals import Signals
from launch.names import find, recipe_named
from launch.settings.options import Options, from_flags
from launch.terminal.tables import show

FILE = pathlib.Path(reproductions.__file__).parent / "queue.toml"
FOLDER = pathlib.Path("runs")
PROGRAM = (sys.executable, "-m", "launch")
STOPPED = (75, 130)  # of a training that goes on with the same command
POLL_SECONDS = 0.2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the file: each name with the first seed, then the next seed.

    Attributes:
        small: Whether it is trained without a GPU, too.
    """

    names: list[str]
    seeds: list[int] = dataclasses.field(default_factory=lambda: [0])
    precision: str = "float32"
    small: bool = False


@dataclasses.dataclass(frozen=True)
class Queued:
    """A run of the queue: its command's words and its folder."""

    words: tuple[str, ...]
    options: Options
    small: bool

    @property
    def state(self) -> str:
        """Of its folder: "finished", "stopped" ..., or "new"."""
        try:
            text = (self.options.workdir / "run.json").read_text()
            return json.loads(text)["status"]
        except FileNotFoundError:
            return "new"
        except (OSError, ValueError, KeyError) as error:
            raise RunError(
                f"{self.options.workdir}/run.json cannot be read ({error}). "
                "Move the folder away; the run then starts anew."
            ) from error


def read(values: dict, file: pathlib.Path = FILE) -> list[Queued]:
    """The runs in their order.

    Args:
        values: Every flag's value; data_dir and platform are each run's.

    Raises:
        UsageError: if the file names a variant that there is not.
        RunError: if it cannot be read.
    """
    try:
        rows = tomli.loads(file.read_text())["run"]
        rows = [Row(**row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{file} cannot be read: {error}.") from error
    return [
        _queued(name, seed, row, values) for row in rows for seed in row.seeds for name in row.names
    ]


def _queued(name: str, seed: int, row: Row, values: dict) -> Queued:
    paper, variant = find(name)
    words = [variant]
    if seed:
        words += ["--seed", str(seed)]
    if row.precision != "float32":
        words += ["--precision", row.precision]
    values = values | {"seed": seed, "precision": row.precision}
    recipe = recipe_named(paper, variant)
    options = from_flags(variant, recipe, values, needs_data=False)
    return Queued(tuple(words), options, row.small)


def run(values: dict) -> int:
    """Trains what is left, or shows it (--dry_run); the exit code.

    0: all that can be trained here is finished. 1: some runs failed, the
    others are finished. 75 or 130: it was stopped.
    """
    runs = read(values)
    gpu = values["platform"] != "cpu" and _has_gpu()
    if values["dry_run"]:
        return _show(runs, gpu)
    lock, failed = lock_folder(FOLDER), []
    began = time.monotonic()
    with lock:
        for one in runs:
            if one.state == "finished" or not (gpu or one.small):
                continue
            code = _train(one, values, began)
            if code in STOPPED:
                return code
            if code:
                failed.append(" ".join(one.words))
    if failed:
        raise RunError(f"These runs failed: {'; '.join(failed)}.")
    return 0


def _has_gpu() -> bool:
    from launch.terminal.quiet import quiet

    with quiet():
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))


def _show(runs: list[Queued], gpu: bool) -> int:
    rows = [
        [
            f"python -m launch {' '.join(one.words)}",
            one.state + ("" if gpu or one.small else ", needs a GPU"),
        ]
        for one in runs
    ]
    show("", ["command", "state"], rows)
    return 0


def _train(one: Queued, values: dict, began: float) -> int:
    """The exit code of the training, which a signal to us stops, too."""
    words = [*one.words, "--data_dir", values["data_dir"]]
    words += ["--platform", values["platform"]]
    if (hours := values["max_hours"]) is not None:
        left = hours - (time.monotonic() - began) / 3600
        words += ["--max_hours", str(max(left, 0.0))]
    print(f"python -m launch {' '.join(one.words)}", flush=True)
    with Signals() as signals:
        child = subprocess.Popen([*PROGRAM, *words])
        told = False
        while child.poll() is None:
            time.sleep(POLL_SECONDS)
            if signals.received and not told:
                told = True
                child.terminate()
    if signals.received and child.returncode not in STOPPED:
        return STOPPED[0]
    return child.returncode
