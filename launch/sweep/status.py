"""How a sweep stands, read from what its processes have written.

SWEEP/sweep.json is the same with the sweep's own facts; it is written by the
process that was started first, and again whenever something has changed.
"""

import json
import pathlib
import shlex
from typing import Any

from common.errors import RunError
from common.files import write_json
from common.training.run_record import differences
from launch.sweep.search_space import settings_of
from launch.sweep.trials import OBJECTIVE, folder_of, read_outcome
from launch.terminal import tables
from launch.terminal.display import duration
from launch.terminal.exits import as_called

# What must not change between the sessions of one sweep.
IDENTITY = ("variant", "recipe", "data", "space", "tuner", "seed", "precision")

# A full run has the paper's own length, and the whole training set.
BUDGET = ("epochs", "updates", "held_out", "views")


def read_trials(sweep: pathlib.Path) -> list[dict]:
    """Each trial that was begun, in that order.

    Its "values" are as --set takes them, "objective" the held-out error in
    percent after each epoch that it trained, "best" the lowest of them.
    """
    project = sweep / "oracle"
    return [
        _trial(sweep, project / f"trial_{trial_id}" / "trial.json")
        for trial_id in read_trial_ids(project)
    ]


def read_trial_ids(project: pathlib.Path) -> list[str]:
    """The trials that the oracle has begun, in that order."""
    file = project / "oracle.json"
    return _read(file)["start_order"] if file.exists() else []


def _read(file: pathlib.Path) -> dict:
    """What a file of the sweep says.

    Raises:
        RunError: if it is damaged or gone.
    """
    try:
        found = json.loads(file.read_text())
        if isinstance(found, dict):
            return found
        error = "it holds no object"
    except (OSError, ValueError) as problem:
        error = str(problem)
    raise RunError(
        f"{file} is damaged ({error}), so the sweep cannot go on from it. "
        "Restore it from a copy, or give the sweep a fresh --workdir; each "
        "trial's own run is still in its folder under trials/."
    )


def _trial(sweep: pathlib.Path, file: pathlib.Path) -> dict:
    state = _read(file)
    values = state["hyperparameters"]["values"]
    history = state["metrics"]["metrics"].get(OBJECTIVE, {"observations": []})
    errors = {o["step"]: o["value"][0] for o in history["observations"]}
    outcome = read_outcome(folder_of(sweep, state["trial_id"]))
    done = state["status"] == "COMPLETED"
    failed = outcome.get("status") == "failed"
    return {
        "id": state["trial_id"],
        "values": settings_of(values),
        "from": values.get("tuner/trial_id"),
        "epochs": values.get("tuner/epochs"),
        "objective": [
            {"epoch": epoch, OBJECTIVE: error} for epoch, error in sorted(errors.items())
        ],
        "best": min(errors.values()) if errors and done else None,
        "status": "failed" if failed else "finished" if done else "under way",
        **{k: outcome[k] for k in _KEPT if k in outcome},
    }


_KEPT = ("reason", "seconds", "started", "ended", "worker", "words")


def finished(trials: list[dict]) -> list[dict]:
    """Those that were trained to their end, the best first."""
    done = [trial for trial in trials if trial["status"] == "finished"]
    return sorted(done, key=lambda trial: trial["best"])


def require_same(file: pathlib.Path, facts: dict[str, Any]) -> dict:
    """sweep.json as it is there; {} where there is none.

    Raises:
        RunError: if it is of another sweep.
    """
    if not file.exists():
        return {}
    there = _read(file)
    here = json.loads(json.dumps(facts))
    odd = [line for key in IDENTITY for line in differences(there.get(key), here[key], key)]
    if odd:
        raise RunError(
            f"{file.parent} holds another sweep: {'; '.join(odd[:3])}. Give "
            "this one a folder of its own with --workdir; nothing was changed."
        )
    return there


def is_finished(there: dict[str, Any], trials: int) -> bool:
    """Whether sweep.json is of a sweep that so many trials do not extend."""
    return there.get("status") == "finished" and (there["asked_trials"] >= trials)


def write(sweep: pathlib.Path, facts: dict[str, Any]) -> list[dict]:
    """Writes sweep.json, if it has changed; the trials."""
    trials = read_trials(sweep)
    best = next(iter(finished(trials)), None)
    found = {
        "best": best and best["id"],
        "in_full": best and full_command(facts, best),
        "trials": trials,
    }
    new = json.loads(json.dumps(facts | found))
    file = sweep / "sweep.json"
    if not file.exists() or _read(file) != new:
        write_json(file, new)
    return trials


def full_command(facts: dict[str, Any], trial: dict) -> str:
    """Trains a trial's values for the paper's own time, on all images."""
    kept = [text for text in facts["settings"] if text.partition("=")[0] not in BUDGET]
    sets = [f"--set {shlex.quote(text)}" for text in (*kept, *trial["values"])]
    words = ["python -m launch", facts["variant"], *facts["flags"], *sets]
    return " ".join(words)


def show(facts: dict[str, Any], trials: list[dict]) -> None:
    """The table that a sweep ends with, and how to use its result."""
    paths = [text.partition("=")[0] for text in facts["space"]]
    rest = [t for t in trials if t["status"] != "finished"]
    columns = ["trial", *paths, ">epochs", ">held-out error", ">training", "status"]
    rows = [
        [
            trial["id"] + (f" from {trial['from']}" if trial["from"] else ""),
            *(text.partition("=")[2] for text in _in_order(trial, paths)),
            str(trial["epochs"] or facts["recipe"]["epochs"]),
            "-" if trial["best"] is None else f"{trial['best']:.2f} %",
            duration(trial.get("seconds", 0)),
            f"{trial['status']}{_because(trial)}",
        ]
        for trial in (*finished(trials), *rest)
    ]
    tables.show(_title(facts, trials), columns, rows)
    if finished(trials):
        print(
            f"\nErrors are of {facts['held_out']:,} training images that no "
            "trial was trained on, the best epoch's; the test split was not "
            "looked at. The recipe is as it was. To train the best trial in "
            f"full:\n\n  {as_called(full_command(facts, finished(trials)[0]))}"
        )


def _title(facts: dict, trials: list[dict]) -> str:
    return (
        f"{facts['variant']} on {facts['data_title']}: {len(trials)} trials, "
        f"{facts['tuner']} search, seed {facts['seed']}"
    )


def _in_order(trial: dict, paths: list[str]) -> list[str]:
    known = {text.partition("=")[0]: text for text in trial["values"]}
    return [known[path] for path in paths]


def _because(trial: dict) -> str:
    reason = trial.get("reason")
    if not reason:
        return ""
    return f": {reason[:60]}{'...' if reason[60:] else ''}"
