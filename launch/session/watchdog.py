"""Shows where every thread stands when no step finishes for too long."""

import faulthandler
import sys
from collections.abc import Callable
from typing import TextIO

import keras


class Watchdog(keras.callbacks.Callback):
    """Inside `with watchdog`, each finished step feeds it.

    Unfed for `seconds`, it writes the stacks of all threads to stderr, and
    again after as long; 0 means never. It needs no Python to run: a thread of
    the interpreter's own C code waits. The process goes on.
    """

    def __init__(self, seconds: float, screen: TextIO | None = None):
        super().__init__()
        self.seconds = seconds
        self.screen = screen or sys.__stderr__

    def __enter__(self) -> "Watchdog":
        self._feed()
        return self

    def __exit__(self, *exception) -> None:
        faulthandler.cancel_dump_traceback_later()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Fed by the updates of one call."""
        self._feed()

    def fed_by(self, progress: Callable) -> Callable:
        """`progress`, which also feeds: for tests of a split."""

        def fed(*counts: int) -> None:
            self._feed()
            progress(*counts)

        return fed

    def _feed(self) -> None:
        if self.seconds:
            faulthandler.dump_traceback_later(self.seconds, repeat=True, file=self.screen)
