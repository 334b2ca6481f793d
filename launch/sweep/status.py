"""How a sweep stands, read from what its processes have written.

SWEEP/sweep.json is the same with the sweep's own facts; it is written by the
process that was started first, and again whenever something has changed.
"""

import json
import pathlib
import shlex
import time
from typing import Any

from common.errors import RunError
from common.files import write_json
from common.training.run_record import differences
from launch.sweep.search_space import settings_of
from launch.sweep.trials import OBJECTIVE, folder_of, read_object, read_outcome
from launch.terminal import tables
from launch.terminal.display import Display, duration
from launch.terminal.exits import as_called

# What must not change between the sessions of one sweep.
IDENTITY = ("variant", "recipe", "data", "space", "tuner", "seed", "precision")
# A full run has the paper's own length, and the whole training set: none to stop early by.
BUDGET = ("epochs", "updates", "patience", "train_images", "held_out", "views")
# What the process of a trial knows of it.
OUTCOME = ("reason", "seconds", "started", "ended", "worker", "words")
REFRESH_SECONDS = 2.0


def read_trials(sweep: pathlib.Path) -> list[dict]:
    """Each trial that was begun, in that order.

    Its "values" are as --set takes them, "objective" the held-out error in
    percent after each epoch that it trained, "best" the lowest of them.
    """
    return [_read_trial(sweep, trial_id) for trial_id in read_trial_ids(sweep)]


def read_trial_ids(sweep: pathlib.Path) -> list[str]:
    """The trials that the oracle has begun, in that order."""
    file = sweep / "oracle" / "oracle.json"
    return _read(file)["start_order"] if file.exists() else []


def _read(file: pathlib.Path) -> dict:
    return read_object(
        file,
        "The sweep cannot go on from it. Restore it from a copy, or give the sweep a fresh "
        "--workdir; each trial's own run is still in its folder under trials/.",
    )


def _read_trial(sweep: pathlib.Path, trial_id: str) -> dict:
    state = _read(sweep / "oracle" / f"trial_{trial_id}" / "trial.json")
    values = state["hyperparameters"]["values"]
    history = state["metrics"]["metrics"].get(OBJECTIVE, {"observations": []})
    errors = {o["step"]: o["value"][0] for o in history["observations"]}
    outcome = read_outcome(folder_of(sweep, trial_id))
    done = state["status"] == "COMPLETED"
    failed = outcome.get("status") == "failed"
    return {
        "id": trial_id,
        "values": settings_of(values),
        "from": values.get("tuner/trial_id"),
        "epochs": values.get("tuner/epochs"),
        "objective": [{"epoch": epoch, OBJECTIVE: errors[epoch]} for epoch in sorted(errors)],
        "best": min(errors.values()) if errors and done else None,
        "status": "failed" if failed else "finished" if done else "under way",
        **{name: outcome[name] for name in OUTCOME if name in outcome},
    }


def rank(trials: list[dict]) -> list[dict]:
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
    there, here = _read(file), json.loads(json.dumps(facts))
    odd = [line for key in IDENTITY for line in differences(there.get(key), here[key], key)]
    if odd:
        raise RunError(
            f"{file.parent} holds another sweep: {'; '.join(odd[:3])}. Give "
            "this one a folder of its own with --workdir; nothing was changed."
        )
    return there


def write(sweep: pathlib.Path, facts: dict[str, Any]) -> list[dict]:
    """Writes sweep.json, if it has changed: the facts, with the trials; the trials."""
    trials = read_trials(sweep)
    best = next(iter(rank(trials)), None)
    facts |= {"best": best and best["id"], "in_full": best and _train_in_full(facts, best)}
    facts["trials"] = trials
    file = sweep / "sweep.json"
    if not file.exists() or _read(file) != json.loads(json.dumps(facts)):
        write_json(file, facts)
    return trials


def _train_in_full(facts: dict[str, Any], trial: dict) -> str:
    """The command for a trial's values, the paper's own time, on all images."""
    kept = [text for text in facts["settings"] if text.partition("=")[0] not in BUDGET]
    values = [text for text in trial["values"] if not text.startswith("patience=")]
    sets = [f"--set {shlex.quote(text)}" for text in (*kept, *values)]
    return " ".join(["python -m launch", facts["variant"], *facts["flags"], *sets])


class Overview:
    """Shows the trials and the time left; keeps sweep.json in step with the sweep's files."""

    def __init__(self, sweep: pathlib.Path, facts: dict[str, Any], trials: int, epochs: int):
        self.sweep, self.facts, self.trials, self.epochs = sweep, facts, trials, epochs
        self._began, self._refreshed = time.monotonic(), 0.0
        earlier = read_trials(sweep)
        self._before = self._count_epochs(earlier)
        self._told = {t["id"] for t in earlier if t["status"] != "under way"}
        self._display = Display()

    def tick(self) -> None:
        """Called as often as one likes."""
        if time.monotonic() - self._refreshed >= REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            self._refresh()

    def close(self) -> None:
        """Writes sweep.json for the last time."""
        self._refresh()
        self._display.clear()

    def _refresh(self) -> None:
        trials = write(self.sweep, self.facts)
        for trial in trials:
            if trial["status"] != "under way" and trial["id"] not in self._told:
                self._told.add(trial["id"])
                values = ", ".join(trial["values"])
                self._display.say(
                    f"trial {trial['id']} failed ({values}): {trial['reason']}"
                    if trial["status"] == "failed"
                    else f"trial {trial['id']}: {trial['best']:.2f} % ({values})"
                )
        parts = [f"{len(self._told)} of {self.trials} trials done"]
        for best in rank(trials)[:1]:
            parts.append(f"best {best['best']:.2f} % ({best['id']})")
        for trial in trials:
            if trial["status"] == "under way":
                parts.append(f"{trial['id']}: {self._find_place(trial['id'])}")
        done = self._count_epochs(trials)
        if done > self._before:
            each = (time.monotonic() - self._began) / (done - self._before)
            most = self.trials * self.epochs
            word = "at most" if self.facts["tuner"] == "hyperband" else "about"
            parts.append(f"{word} {duration(max(0, each * (most - done)))} left")
        self._display.show("; ".join(parts))

    def _count_epochs(self, trials: list[dict]) -> int:
        """Epochs that need not be trained any more."""
        return sum(
            (t["epochs"] or self.epochs) if t["status"] == "failed" else len(t["objective"])
            for t in trials
        )

    def _find_place(self, trial_id: str) -> str:
        """Where a trial stands, from the last line of its own log."""
        log = folder_of(self.sweep, trial_id) / "log.txt"
        lines = log.read_text().splitlines() if log.exists() else []
        last = next((line for line in reversed(lines) if line.startswith("epoch")), "starting")
        return ", ".join(last.split("  ")[:2]).partition(":")[0]


def show(facts: dict[str, Any]) -> None:
    """The table that a sweep ends with, and how to use its result."""
    trials = facts["trials"]
    paths = [text.partition("=")[0] for text in facts["space"]]
    best = rank(trials)
    rows = []
    for trial in (*best, *(t for t in trials if t["status"] != "finished")):
        values = dict(text.split("=", 1) for text in trial["values"])
        reason = trial.get("reason", "")
        because = f": {reason[:60]}{'...' * (len(reason) > 60)}" if reason else ""
        rows.append(
            [
                trial["id"] + (f" from {trial['from']}" if trial["from"] else ""),
                *(values[path] for path in paths),
                str(max((seen["epoch"] for seen in trial["objective"]), default=0)),
                "-" if trial["best"] is None else f"{trial['best']:.2f} %",
                duration(trial.get("seconds", 0)),
                trial["status"] + because,
            ]
        )
    columns = ["trial", *paths, ">epochs", ">held-out error", ">training", "status"]
    title = (
        f"{facts['variant']} on {facts['data_title']}: {len(trials)} trials, "
        f"{facts['tuner']} search, seed {facts['seed']}"
    )
    tables.show(title, columns, rows)
    if best:
        print(
            f"\nErrors are of {facts['held_out']:,} training images that no "
            "trial was trained on, the best epoch's; the test split was not "
            "looked at. The recipe is as it was. To train the best trial in "
            f"full:\n\n  {as_called(facts['in_full'])}"
        )
