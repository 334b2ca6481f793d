"""SIGTERM, SIGINT and the end of --max_hours as a note to read, no death."""

import signal
import threading
from collections.abc import Callable
from typing import Any

ALARM = signal.SIGALRM


class Stopped(Exception):
    """The run was asked to stop; what it had done is on disk."""

    def __init__(self, signum: int, step: int):
        super().__init__(f"stopped at step {step}")
        self.signum = signum
        self.step = step


class Signals:
    """Inside `with Signals() as signals`, `signals.received` is the first.

    A second one of the same kind acts as it would without this. After
    `seconds`, if that is given, a SIGALRM comes.
    """

    received: int | None = None

    def __init__(self, seconds: float | None = None):
        self.seconds = seconds

    def __enter__(self) -> "Signals":
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            timed = self.seconds is not None
            for signum in (signal.SIGTERM, signal.SIGINT) + timed * (ALARM,):
                self._before[signum] = signal.signal(signum, self._note)
            if timed:  # 0 would mean never
                signal.setitimer(signal.ITIMER_REAL, max(self.seconds, 1e-3))
        return self

    def __exit__(self, *exception) -> None:
        if ALARM in self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def watched(self, progress: Callable) -> Callable:
        """`progress`, raising Stopped once a signal has come: for what can be done again."""

        def watch(*counts: int) -> None:
            if self.received is not None:
                raise Stopped(self.received, 0)
            progress(*counts)

        return watch

    def _note(self, signum: int, frame: Any) -> None:
        self.received = signum
        signal.signal(signum, self._before[signum])
