"""A run is one folder; this module owns what is in it beside checkpoints.

metrics.jsonl and metrics.csv have a row per epoch. run.json is one object:

    key                             written by                   read by
    variant, seed, data, precision  run_session.identify         IDENTITY; evaluate, report, runs
    recipe                          identify, go_on              the same, run_weights.read_recipe
    overrides                       identify, go_on,             overrides_of
                                    note_recovery
    deviations                      identify, go_on              people; of early runs overrides_of
    paper                           identify                     report, results_table
    data_title, class_names         identify                     what evaluates, predicts, exports
    sessions                        open_run, end_session        report; `launch RUN`, find_data
                                                                 (data_dir, microbatches),
                                                                 jit_policy
    status                          open_run, go_on, break_off,  runs, queue, report, evaluate
                                    finish
    recipes                         go_on: of several recipes    go_on
    earlier_ends                    go_on: what OF_AN_END was    people
    recoveries                      note_recovery                people
    damaged_checkpoints             Loop                         people
    best_weights                    run_session.KeepBest         KeepBest, results_table
    results                         run_session.finish,          report, runs, results_table
                                    add_result
    epochs, finished, ended_early,  finish                       report, results_table
    train_seconds, peak_bytes,
    images_per_second, best_epoch
    last_epoch                      finish                       people
"""

import csv
import dataclasses
import datetime
import fcntl
import io
import itertools
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
from typing import Any, TextIO

from common.data import catalog
from common.errors import RunError
from common.files import json_text, write_json, write_text
from common.recipes.recipe import Override
from common.recipes.serialization import describe, spell, value_at

# What must not change between the sessions of one run.
IDENTITY = ("variant", "recipe", "seed", "data", "precision")
# Of the differences of two recipes, as `differences` says them. LENGTH: those that only move the
# end of a run. RENEWABLE: those that make it another recipe, allowed by `launch RUN`.
LENGTH = re.compile(r"recipe\.(epochs|updates|patience|healthy_after) ")
RENEWABLE = re.compile(
    r"recipe\.(epochs|updates|patience|healthy_after|optimizer\.learning_rate|schedule"
    r"|group_schedules\.\d+|weight_decay|clip_global_norm|loss|train_transforms|train_noise)\b"
)
HAPPENED = ("recovered", "continued")  # overrides that no flag sets
OF_AN_END = ("epochs", "finished", "results", "last_epoch", "best_epoch", "ended_early")
FEW_LEFT_OUT = 1e-3  # of a split: less than 0.1 points of an error rate
PACKAGES = ("tensorflow", "keras", "tensorflow-datasets", "numpy")
# Environment variables that change what is computed; the record of a command begins with them.
ARITHMETIC = ("NVIDIA_TF32_OVERRIDE", "TF_ENABLE_ONEDNN_OPTS")


class Run:
    """A run's folder, locked for as long as this process lives."""

    def __init__(self, folder: pathlib.Path, lock: TextIO, record: dict, identity: dict):
        self.folder, self.checkpoints = folder, folder / "checkpoints"
        self.record, self.identity, self._lock = record, identity, lock

    def update(self, **facts: Any) -> None:
        """Writes these facts into run.json."""
        self.record |= facts
        write_json(self.folder / "run.json", self.record)

    def end_session(self, reason: str, **facts: Any) -> None:
        """Says in run.json how this session ended."""
        self.record["sessions"][-1] |= {"ended": now(), "reason": reason}
        self.update(**facts)

    def break_off(self, reason: str, status: str) -> None:
        """Says how this session ended early; a run that had been measured stays finished."""
        self.end_session(reason, **({} if self.record.get("results") else {"status": status}))

    def go_on(self, epoch: int, step: int, *, ended: bool) -> list[Override]:
        """Says in run.json that this session's recipe holds from here on.

        One that only ends at another time is the same training's. Any other is a new one: "recipes"
        then has each with the epoch, counted from 1, in which it began and the updates before it;
        it is an override, too. What was measured at an earlier end becomes one of "earlier_ends".

        Args:
            epoch: Epochs finished.
            step: Updates made.
            ended: Whether nothing is left to train.

        Returns:
            The overrides that no flag sets.
        """
        record, own = self.record, self.identity
        overrides = describe(overrides_of(record))
        first = {"epoch": 1, "step": 0, "recipe": record["recipe"], "overrides": overrides}
        recipes = [one for one in record.pop("recipes", [first]) if one["step"] < step]
        begins = {"epoch": epoch + 1, "step": step}
        if recipes and is_same_training(recipes[-1]["recipe"], own["recipe"]):
            begins = recipes.pop()
        recipes.append(begins | {name: own[name] for name in ("recipe", "overrides")})
        happened = [one for one in overrides_of(record) if one.field == "recovered"]
        if len(recipes) > 1:
            record["recipes"] = recipes
            happened.append(_tell_changes(recipes))
        if not ended and record.get("results"):
            end = {name: record.pop(name) for name in OF_AN_END if name in record}
            record["earlier_ends"] = [*record.get("earlier_ends", []), end]
            record["status"] = "running"
        record.pop("recipe_hash", None)  # which earlier versions kept; of another recipe by now
        described = {n: own[n] for n in ("recipe", "deviations")}
        self.update(**described, overrides=[*own["overrides"], *describe(happened)])
        return happened

    def note_recovery(self, times: int, diverged: int, back: int, factor: float, why: str) -> None:
        """Says that a training went back, as a deviation from its recipe."""
        fact = {"diverged_at": diverged, "back_to": back, "reason": why}
        went = [*self.record.get("recoveries", []), fact]
        told = (
            f"{times} times back to a checkpoint, {factor:g} of the learning rate from step {back}"
        )
        override = Override(field="recovered", old="trained in one go", new=f"{told} on")
        others = [one for one in overrides_of(self.record) if one.field != "recovered"]
        self.update(recoveries=went, overrides=describe([*others, override]))

    def write_history(self, history: list[dict]) -> None:
        """Rewrites metrics.jsonl and metrics.csv whole: no row twice."""
        file = self.folder / "metrics.jsonl"
        lines = "".join(json_text(file, row) + "\n" for row in history)
        write_text(file, lines)
        table = io.StringIO()
        columns = dict.fromkeys(key for row in history for key in row)
        writer = csv.DictWriter(table, list(columns))
        writer.writeheader()
        writer.writerows(history)
        write_text(self.folder / "metrics.csv", table.getvalue())


class Onlooker:
    """The run as a worker sees it that is not the chief: it writes nothing."""

    def __init__(self, folder: pathlib.Path):
        self.folder, self.checkpoints = folder, folder / "checkpoints"

    def leave_to_chief(self, *facts: Any, **named: Any) -> list:
        """What a Run writes; no override follows from it here."""
        return []

    update = end_session = break_off = go_on = leave_to_chief
    note_recovery = write_history = leave_to_chief


def open_run(folder: pathlib.Path, identity: dict, session: dict, *, renewed: bool = False) -> Run:
    """Starts a run in `folder`, or continues the one that is there, also to a later end.

    Args:
        folder: The run's own folder.
        identity: The values of IDENTITY and whatever else describes the run.
        session: What describes this session: command, commit, devices ...
        renewed: Whether it may go on with another recipe, of the same network and data.

    Raises:
        RunError: if another process runs there, if it holds another run, or cannot be written.
    """
    is_new = not folder.exists()
    try:
        lock = lock_folder(folder)
        identity = json.loads(json.dumps(identity))
        record = read_record(folder) or identity | {"sessions": []}
        identity = _keep_place(record, identity)
        _require_same(folder, record, identity, renewed=renewed)
        run = Run(folder, lock, record, identity)
        record["sessions"].append(session)
        # What has been measured stays finished, unless more of it is trained: see `go_on`.
        run.update(**({} if record.get("results") else {"status": "running"}))
    except OSError as error:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        raise RunError(
            f"The run's folder {folder} cannot be used: {error.strerror or error}. Choose another "
            "with --workdir."
        ) from error
    return run


def add_result(folder: pathlib.Path, result: dict) -> None:
    """Writes another measurement of a finished run into its run.json.

    It replaces that of the same view and split; the tests' stay the first.

    Raises:
        RunError: if a process is running there.
    """
    with lock_folder(folder):
        record = read_record(folder)
        record["results"] = merged(record["results"], [result])
        write_json(folder / "run.json", record)


def merged(there: list[dict], new: list[dict]) -> list[dict]:
    """The results, of each view and split the newest, at the oldest's place."""
    return list({(r["view"], r["split"]): r for r in (*there, *new)}.values())


def last_session(folder: pathlib.Path) -> dict:
    """What describes the last session of the run in `folder`; or {}.

    Raises:
        RunError: if its record cannot be read.
    """
    sessions = (read_record(folder) or {}).get("sessions")
    return sessions[-1] if sessions else {}


def is_finished(folder: pathlib.Path, identity: dict) -> bool:
    """Whether this run was trained in `folder` to its end.

    Raises:
        RunError: if the folder holds another run.
    """
    record, identity = read_record(folder), json.loads(json.dumps(identity))
    if record is None:
        return False
    identity = _keep_place(record, identity)
    _require_same(folder, record, identity)
    same = not differences(record["recipe"], identity["recipe"])
    return same and record["status"] == "finished"


def overrides_of(record: dict) -> tuple[Override, ...]:
    """What the command line changed in the recipe of a run.json; values as `describe` gives.

    Those of earlier runs stand among their deviations, as texts and with a flag for a reason;
    their values are those of the recipe that was trained.
    """
    if "overrides" in record:
        names = ("field", "old", "new")
        return tuple(Override(**{n: one[n] for n in names}) for one in record["overrides"])
    found = []
    for one in record.get("deviations", ()):
        if one["reason"].startswith("--"):
            trained = one["reason"].startswith("--set")
            new = value_at(record["recipe"], one["field"]) if trained else one["here"]
            found.append(Override(field=one["field"], old=one["paper"], new=new))
    return tuple(found)


def list_data_changes(record: dict) -> list[str]:
    """In what a run's images are not the paper's, though its data set is called as the paper's."""
    data, recipe, told = record["data"], record["recipe"], []
    if side := data.get("shorter_side"):
        told.append(f"shrunk once to a shorter side of {side} pixels")
    other = ":" in recipe["data"] or any(one.field == "data" for one in overrides_of(record))
    if "splits" in data and not other:
        row = catalog.find(recipe["data"], recipe["channels"])
        train = recipe.get("train_images") or row.splits["train"] - recipe.get("held_out", 0)
        row = dataclasses.replace(row, splits=row.splits | {"train": train})
        if catalog.is_another(row, data["splits"], but=FEW_LEFT_OUT):
            sizes = " + ".join(f"{size:,}" for size in data["splits"].values())
            told.append(f"another set of {sizes} images")
    return told


def list_changes(record: dict) -> list[str]:
    """What flags and the training's course changed in a run's recipe, and `prepare` in its data."""
    changes = [f"{one.field} {spell(one.new)}" for one in overrides_of(record)]
    return changes + [f"data {one}" for one in list_data_changes(record)]


def asked_overrides(record: dict) -> list[Override]:
    """Those of a run.json that flags set, but for the data set's."""
    return [one for one in overrides_of(record) if one.field not in ("data", *HAPPENED)]


def lock_folder(folder: pathlib.Path) -> TextIO:
    """The lock of a folder, held while the returned file is open.

    The folder is made if it is not there, and not left behind by a failure.

    Raises:
        RunError: if another process holds it.
        OSError: if it cannot be written, with its path.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "lock", "a+")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(f"pid {os.getpid()} on {platform.node()}")
        lock.flush()
    except BlockingIOError:
        lock.seek(0)
        raise RunError(
            f"Another process ({lock.read().strip() or 'unknown'}) is running in {folder}. Wait "
            "for it, stop it, or give this run a folder of its own with --workdir."
        ) from None
    except OSError as error:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        error.filename = error.filename or str(folder / "lock")
        raise
    return lock


def is_running(folder: pathlib.Path) -> bool:
    """Whether a process holds the lock of a run's folder, as far as this machine can tell."""
    try:
        with open(folder / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is none, or it cannot be read
        return False
    return False


def read_json(file: pathlib.Path) -> Any:
    """What a file of JSON says.

    Raises:
        OSError, ValueError: if it cannot be read or is no JSON; NaN is none.
    """

    def refuse(word: str) -> None:
        raise ValueError(f"it holds {word}, which is no number")

    return json.loads(file.read_text(), parse_constant=refuse)


def read_record(folder: pathlib.Path) -> dict | None:
    """A folder's run.json; None if it has none.

    Raises:
        RunError: if it cannot be read.
    """
    file = folder / "run.json"
    if not file.exists():
        return None
    try:
        return read_json(file)
    except ValueError as error:
        raise RunError(
            f"{file} cannot be read ({error}). Move the folder away, or give this run one of its "
            "own with --workdir."
        ) from error


def read_history(folder: pathlib.Path) -> list[dict]:
    """The rows of a run's finished epochs; none if it has no metrics.jsonl.

    Raises:
        OSError, ValueError: if that cannot be read or a row is no JSON.
    """
    file = folder / "metrics.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def is_same_training(before: Any, now: Any) -> bool:
    """Whether a described recipe trains as another did so far, and only ends at another time."""
    once, then = ((one or {}).get("patience") for one in (before, now))
    patient = then is None or (once is not None and then >= once)  # it never ended before
    return patient and all(map(LENGTH.match, differences(before, now, "recipe")))


def _tell_changes(recipes: list[dict]) -> Override:
    """What each recipe of a run changed in the one before."""
    changes = [
        f"{name}={spell(value)} from epoch {then['epoch']} on ({spell(once['recipe'].get(name))} "
        "before)"
        for once, then in itertools.pairwise(recipes)
        for name, value in then["recipe"].items()
        if value != once["recipe"].get(name)
    ]
    return Override(field="continued", old="one recipe throughout", new="; ".join(changes))


def is_same_data(there: dict, here: dict) -> bool:
    """Whether two fingerprints are of the same images; a folder of photographs may have moved."""
    if "contents" not in there:  # as of earlier runs, which knew the files' sizes alone
        here = {name: fact for name, fact in here.items() if name != "contents"}
    moved = there["name"].startswith("folder:") and here["name"].startswith("folder:")
    return there == (here | {"name": there["name"]} if moved else here)


def _keep_place(record: dict, identity: dict) -> dict:
    """The identity, with a folder's place as the record has it where the same images moved."""
    there, here = record.get("data"), identity.get("data")
    if not there or there == here or not is_same_data(there, here):
        return identity
    place = record["recipe"]["data"]
    overrides = [
        one | {"new": place} if one["field"] == "data" else one for one in identity["overrides"]
    ]
    recipe = identity["recipe"] | {"data": place}
    return identity | {"data": there, "recipe": recipe, "overrides": overrides}


def require_same_run(folder: pathlib.Path, identity: dict, *, renewed: bool) -> None:
    """Raises a RunError if the folder holds another run, as `open_run` does; changes nothing."""
    record, identity = read_record(folder), json.loads(json.dumps(identity))
    if record:
        _require_same(folder, record, _keep_place(record, identity), renewed=renewed)


def _require_same(
    folder: pathlib.Path, record: dict, identity: dict, *, renewed: bool = False
) -> None:
    there, here = ({key: one.get(key) for key in IDENTITY} for one in (record, identity))
    odd = differences(there, here)
    new = all(map(RENEWABLE.match, odd))
    if is_same_training(there["recipe"], here["recipe"]):
        odd = [difference for difference in odd if not LENGTH.match(difference)]
    if odd and not (new and renewed):
        own = "Give this run a folder of its own with --workdir"
        if renewed:  # by the folder, which goes without one
            own = f"Begin another run by its network's name, {there['variant']}"
        raise RunError(
            f"{folder} holds another run: {'; '.join(odd[:3])}"
            + f" and {len(odd) - 3} more differences" * bool(odd[3:])
            + f". {own}; nothing was changed."
            + f" To go on with it by another recipe, on record: python -m launch {folder} --set "
            "FIELD=VALUE." * new
        )


def differences(there: Any, here: Any, path: str = "") -> list[str]:
    """Where two JSON values differ, as 'path is X there, Y here'."""
    if isinstance(there, dict) and isinstance(here, dict):
        pairs = [(there.get(k), here.get(k), k) for k in dict.fromkeys((*there, *here))]
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        pairs = [(*pair, str(i)) for i, pair in enumerate(zip(there, here, strict=True))]
    else:
        return [] if there == here else [f"{path} is {there} there, {here} here"]
    begin = f"{path}." if path else ""
    return [line for a, b, name in pairs for line in differences(a, b, begin + name)]


def session_facts(repository: pathlib.Path, **facts: Any) -> dict:
    """What tells one session from another: command, time, versions, commit."""
    return {
        "started": now(),
        "command": command(),
        "commit": commit_of(repository),
        "versions": versions(),
        **facts,
    }


def command() -> str:
    """What was typed, after the environment variables that change numbers."""
    found = [f"{n}={os.environ[n]}" for n in ARITHMETIC if n in os.environ]
    return " ".join([*found, "python -m launch", *sys.argv[1:]])


def versions() -> dict[str, str]:
    """Python's and the main packages' installed versions."""
    import importlib.metadata

    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in PACKAGES
    }


def commit_of(repository: pathlib.Path) -> str:
    """The git commit of the code, '+changes' if it was edited since."""
    if not (repository / ".git").exists():  # an installed copy may lie in another's checkout
        return "not a git checkout"
    # A full disk, or a kill, would leave its lock in the way of the next git.
    git = ["git", "--no-optional-locks", "-C", str(repository)]
    try:
        commit, changed = (
            subprocess.check_output([*git, *words], stderr=subprocess.DEVNULL, text=True).strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "-uno"))
        )
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"
    return commit + "+changes" * bool(changed)


def now() -> str:
    """The present time, ISO 8601, UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
