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
        self._began, self._refreshed = time.monotonic(), 0.0
        earlier = status.read_trials(sweep)
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
        trials = status.write(self.sweep, self.facts)
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
        for best in status.rank(trials)[:1]:
            parts.append(f"best {best['best']:.2f} % ({best['id']})")
        for trial in trials:
            if trial["status"] == "under way":
                parts.append(f"{trial['id']}: {self._find_place(trial['id'])}")
        done = self._count_epochs(trials)
        if done > self._before:
            each = (time.monotonic() - self._began) / (done - self._before)
            parts.append(f"about {duration(max(0, each * (self.epochs - done)))} left")
        self._display.show("; ".join(parts))

    def _count_epochs(self, trials: list[dict]) -> int:
        """Epochs that need not be trained any more."""
        whole = self.facts["recipe"]["epochs"]
        return sum(
            (t["epochs"] or whole) if t["status"] == "failed" else len(t["objective"])
            for t in trials
        )

    def _find_place(self, trial_id: str) -> str:
        """Where a trial stands, from the last line of its own log."""
        log = folder_of(self.sweep, trial_id) / "log.txt"
        lines = log.read_text().splitlines() if log.exists() else []
        last = next((line for line in reversed(lines) if line.startswith("epoch")), "starting")
        return ", ".join(last.split("  ")[:2]).partition(":")[0]
