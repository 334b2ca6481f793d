"""How far a piece of work has come: a line redrawn, or plain lines in a log."""

import sys
import time
from typing import Any

LINE_SECONDS = 10  # between two plain lines


class Counting:
    """Shows what is counted, its speed and the time left.

    launch.terminal.progress does so for a training, and needs Keras.
    """

    def __init__(self):
        self._what = ""
        self._began = (0, 0.0)  # how much was done then, and when
        self._told = 0.0
        self._drawn = 0
        self._terminal = sys.stderr.isatty()
        self._stream = sys.stderr

    def show(self, what: str, done: int, total: int) -> None:
        """Called as often as one likes."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._began, self._told = what, (done, now), now
        line = f"{what}: {done:,}/{total:,}"
        before, at = self._began
        if done > before and now > at:
            speed = (done - before) / (now - at)
            left = duration((total - done) / speed)
            line += f", {speed:,.0f}/s, {left} left"
        if self._terminal:
            self._stream.write("\r" + line.ljust(self._drawn))
            self._stream.flush()
            self._drawn = len(line)
        elif now - self._told >= LINE_SECONDS:
            self._told = now
            print(line, file=self._stream, flush=True)

    def clear(self) -> None:
        """Wipes the line that is being redrawn."""
        if self._drawn:
            self._stream.write("\r" + " " * self._drawn + "\r")
            self._drawn = 0


def duration(seconds: Any) -> str:
    """Seconds as people say them: 45 s, 12 min, 3.4 h, 2.1 days."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
