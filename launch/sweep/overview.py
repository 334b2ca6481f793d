"""What a person sees while a sweep runs: its trials, and the time left."""

import pathlib
import time
from typing import Any

from launch.sweep import status
from launch.sweep.trials import folder_of
from launch.terminal.display import Display, duration

REFRESH_SECONDS = 2.0


class Overview:
    """Follows a sweep's files; keeps sweep.json in step with them."""

    def __init__(self, sweep: pathlib.Path, facts: dict[str, Any], *, trials: int, epochs: int):
        self.sweep, self.facts = sweep, facts
        self.trials, self.epochs = trials, epochs
        self._began = time.monotonic()
        self._before = None  # epochs that earlier sessions had trained
        self._ended: set[str] = set()
        self._refreshed = 0.0
        self._display = Display()

    def tick(self) -> None:
        """Called as often as one likes."""
        if time.monotonic() - self._refreshed >= REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            self._refresh()

    def close(self) -> list[dict]:
        """Writes sweep.json for the last time; the trials."""
        trials = self._refresh()
        self._display.clear()
        return trials

    def _refresh(self) -> list[dict]:
        trials = status.write(self.sweep, self.facts)
        ended = [t for t in trials if t["status"] != "under way"]
        if self._before is None:
            self._before = self._done(trials)
            self._ended = {t["id"] for t in ended}
        for trial in ended:
            if trial["id"] not in self._ended:
                self._ended.add(trial["id"])
                self._display.say(_result(trial))
        self._show(trials)
        return trials

    def _done(self, trials: list[dict]) -> int:
        """Epochs that need not be trained any more."""
        whole = self.facts["recipe"]["epochs"]
        return sum(
            (t["epochs"] or whole) if t["status"] == "failed" else len(t["objective"])
            for t in trials
        )

    def _show(self, trials: list[dict]) -> None:
        parts = [f"{len(self._ended)} of {self.trials} trials done"]
        best = status.finished(trials)
        if best:
            parts.append(f"best {best[0]['best']:.2f} % ({best[0]['id']})")
        for trial in trials:
            if trial["status"] == "under way":
                parts.append(f"{trial['id']}: {self._place(trial['id'])}")
        done = self._done(trials)
        if done > self._before:
            seconds = time.monotonic() - self._began
            left = seconds * (self.epochs - done) / (done - self._before)
            parts.append(f"about {duration(max(0, left))} left")
        self._display.show("; ".join(parts))

    def _place(self, trial_id: str) -> str:
        """Where a trial stands, from the last line of its own log."""
        try:
            log = (folder_of(self.sweep, trial_id) / "log.txt").read_text()
        except FileNotFoundError:
            return "starting"
        told = [n for n in log.splitlines() if n.startswith("epoch")]
        last = (told or ["starting"])[-1]
        return ", ".join(last.split("  ")[:2]).partition(":")[0]


def _result(trial: dict) -> str:
    values = ", ".join(trial["values"])
    if trial["status"] == "failed":
        return f"trial {trial['id']} failed ({values}): {trial['reason']}"
    return f"trial {trial['id']}: {trial['best']:.2f} % ({values})"
