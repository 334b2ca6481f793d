"""One trial: a training of its own, watched as its epochs end.

A trial's folder is a run's folder, and has beside it what the sweep knows:
outcome.json, output.txt (what the process said) and TensorBoard's HParams.
"""

import json
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

from common.errors import NoRoom, RunError
from common.files import write_json
from common.training.checkpoints import newest_first
from common.training.run_record import lock_folder, now, read_history
from common.training.signals import Stopped
from launch.sweep import child, hparams
from launch.sweep.search_space import settings_of
from launch.sweep.sweep_request import Request
from launch.terminal.exits import SIGNALS

POLL_SECONDS = 0.3
OBJECTIVE = "val_top1_error"  # of the held-out images, in percent


def folder_of(sweep: pathlib.Path, trial_id: str) -> pathlib.Path:
    """Where a trial is written."""
    return sweep / "trials" / trial_id


def train(
    request: Request, trial_id: str, values: dict[str, Any], watch: Callable[[], None]
) -> Iterator[dict]:
    """Trains a trial, from where it stands; yields the metrics of each of its own epochs.

    `epochs` only ends a training: no schedule, no order and no draw looks at
    it. So one that Hyperband continues with more of them is the longer one exactly.

    Args:
        values: The tuner's. With "tuner/trial_id" the trial continues that
            one, from epoch "tuner/initial_epoch" to "tuner/epochs".
        watch: Called a few times a second; raises Stopped once a signal has come.

    Raises:
        RunError: if the training fails; says why.
        NoRoom: if that was for its disk: the same trial can go on later.
        Stopped: after a signal; the same trial can go on later.
    """
    folder = folder_of(request.folder, trial_id)
    first, last = values.get("tuner/initial_epoch", 0), values.get("tuner/epochs")
    if read_outcome(folder).get("status") == "finished":  # the tuner was killed
        yield from read_metrics(folder)[first:]
        return
    folder.mkdir(parents=True, exist_ok=True)
    settings = settings_of(values) + [f"epochs={last}"] * (last is not None)
    words = request.trial_words(folder, settings)
    _note(folder, status="running", values=values, words=words)
    hparams.write_start(folder, trial_id, values)
    try:
        _begin_with(folder, request.folder, values.get("tuner/trial_id"))
        yield from _watched(folder, words, first, watch)
    except NoRoom:
        raise  # no fault of the values: the trial is tried again
    except RunError as error:
        _note_end(folder, first, status="failed", reason=str(error))
        raise
    _note_end(folder, first, status="finished")


def _note(folder: pathlib.Path, **facts: Any) -> None:
    known = {"started": now()} | read_outcome(folder)
    known.pop("reason", None)
    worker = os.environ.get("KERASTUNER_TUNER_ID", "this process")
    write_json(folder / "outcome.json", known | {"worker": worker} | facts)


def _note_end(folder: pathlib.Path, first: int, **facts: str) -> None:
    """With the seconds that it trained from epoch `first` on."""
    clock = [0.0] + [row["seconds"] for row in read_metrics(folder)]
    seconds = clock[-1] - clock[min(first, len(clock) - 1)]
    _note(folder, ended=now(), seconds=round(seconds, 1), **facts)


def _begin_with(folder: pathlib.Path, sweep: pathlib.Path, parent: str | None) -> None:
    """Copies the checkpoint that the parent ended with, whole or not at all."""
    target, beside = folder / "checkpoints", folder / "checkpoints.part"
    if parent is None or target.exists():
        return
    past = folder_of(sweep, parent)
    newest = newest_first(past / "checkpoints")
    if not newest:
        raise RunError(
            f"There is no checkpoint in {past} to continue from. Every worker "
            "of a sweep must see its folder."
        )
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    shutil.copy(newest[0], beside)
    os.replace(beside, target)


def _watched(folder, words, shown: int, watch: Callable[[], None]) -> Iterator[dict]:
    """Every row of metrics.jsonl after `shown`, as it appears, until the process ends."""
    _wait_until_free(folder, watch)
    output = folder / "output.txt"
    process = child.start(words, output, {})
    stop, code = None, None
    try:
        while True:
            code = process.poll()
            rows = read_metrics(folder)[shown:]
            yield from rows
            shown += len(rows)
            if code is not None:
                break
            try:
                watch()
            except Stopped as error:
                if stop is None:
                    process.terminate()
                stop = error
            time.sleep(POLL_SECONDS)
        if stop is None:  # both may have been sent the signal since
            watch()
    except Stopped as error:
        stop = error
    finally:  # what watches it may fail
        if code is None:
            process.terminate()
            process.wait()
    if code in SIGNALS or (code < 0 and stop):
        raise stop or Stopped(SIGNALS[code], shown)
    if code == child.NO_ROOM:
        raise NoRoom(f"In {folder}: {child.last_words(output)}")
    if code:
        killed = f"It was killed by signal {-code}. " if code < 0 else ""
        raise RunError(killed + child.last_words(output))


def _wait_until_free(folder, watch: Callable[[], None]) -> None:
    """The trial's process of a killed sweep may still write a checkpoint."""
    while True:
        try:
            lock_folder(folder).close()
            return
        except RunError:
            watch()
            time.sleep(POLL_SECONDS)


def read_metrics(folder: pathlib.Path) -> list[dict]:
    """One row per finished epoch of a run."""
    try:
        return read_history(folder)
    except ValueError as error:
        raise RunError(
            f"{folder}/metrics.jsonl is damaged ({error}). Remove the trial's folder to train it "
            "anew."
        ) from error


def read_outcome(folder: pathlib.Path) -> dict:
    """What the sweep knows of a trial; {} before it has begun."""
    file = folder / "outcome.json"
    advice = "Remove it: the trial then goes on from its checkpoint."
    return read_object(file, advice) if file.exists() else {}


def read_object(file: pathlib.Path, advice: str) -> dict:
    """What a JSON file of the sweep says.

    Raises:
        RunError: if it is damaged or gone, with the advice.
    """
    try:
        found = json.loads(file.read_text())
        if isinstance(found, dict):
            return found
        problem = "it holds no object"
    except (OSError, ValueError) as error:
        problem = str(error)
    raise RunError(f"{file} is damaged ({problem}). {advice}")
