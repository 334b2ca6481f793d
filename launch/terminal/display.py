"""One line that says how far work has come: redrawn, or plain lines in a log."""

import atexit
import sys
import time
from typing import Any, TextIO

LINE_SECONDS = 10  # between two plain lines
DRAW_SECONDS = 0.1  # between two pictures of the redrawn one


class Display:
    """A line that is redrawn on a terminal; elsewhere one every ten seconds.

    Args:
        stream: None is standard error.
        log: Gets plain lines in any case; None where there is no log.
    """

    def __init__(self, stream: TextIO | None = None, log: TextIO | None = None):
        self._stream, self._log = stream or sys.stderr, log
        self._live = None
        self._told = None  # when there was the last plain line
        self._drawn = 0.0

    def show(self, line: str) -> None:
        """Shows where the work stands; called as often as one likes."""
        now, terminal = time.monotonic(), self._stream.isatty()
        if terminal and now - self._drawn >= DRAW_SECONDS:
            self._drawn = now
            self._draw(line)
        if self._told is None:
            self._told = now  # what takes no ten seconds needs no line
        if now - self._told >= LINE_SECONDS:
            self._told = now
            self._print(line, both=not terminal)

    def say(self, line: str) -> None:
        """A line that stays, on the screen and in the log."""
        self.clear()
        self._print(line, both=True)
        self._told = time.monotonic()

    def clear(self) -> None:
        """Wipes the line that is being redrawn."""
        if self._live:
            self._live.stop()
            self._live, self._drawn = None, 0.0

    def _draw(self, line: str) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        text = Text(line, no_wrap=True, overflow="ellipsis")
        if self._live is None:
            console = Console(file=self._stream)
            self._live = Live(
                console=console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            atexit.register(self.clear)  # or the cursor stays hidden
        self._live.update(text, refresh=True)

    def _print(self, line: str, *, both: bool) -> None:
        streams = (self._stream, self._log) if both else (self._log,)
        for stream in filter(None, streams):
            print(line, file=stream, flush=True)


class Counting:
    """Shows what is counted, its speed and the time left."""

    def __init__(self, display: Display | None = None):
        self._display = display or Display()
        self.clear = self._display.clear  # wipes the line that is being redrawn
        self._what = ""
        self._began = (0, 0.0)  # how much was done then, and when

    def show(self, what: str, done: int, total: int) -> None:
        """Called as often as one likes."""
        now = time.monotonic()
        if what != self._what or done <= self._began[0]:
            self._what, self._began = what, (done, now)
        line = f"{what}: {done:,}/{total:,}"
        before, at = self._began
        if done > before and now > at:
            speed = (done - before) / (now - at)
            line += f", {speed:,.0f}/s" * (speed >= 1)
            line += f", {duration((total - done) / speed)} left"
        self._display.show(line)
        if done >= total:
            self._what = ""  # the next count begins anew, of the same name too

    def testing(self, done: int, total: int) -> None:
        """Shows how much of a test split has been measured."""
        self.show("measuring images", done, total)

    def scanning(self, done: int, total: int) -> None:
        """Shows how far the pass for the mean image has come."""
        self.show("computing the training mean, images", done, total)


def duration(seconds: Any) -> str:
    """Seconds as people say them: 45 s, 12 min, 3.4 h, 2.1 days."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def epochs(count: int) -> str:
    """Such as "3 epochs"."""
    return f"{count} epoch{'s' * (count != 1)}"
