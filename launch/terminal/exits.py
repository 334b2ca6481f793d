"""Errors as one paragraph on stderr and an exit code."""

import contextlib
import errno
import io
import os
import pathlib
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable

from common.errors import LostWorker, RunError, UsageError
from common.files import reason

FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = 141  # what a shell says of a program that SIGPIPE ended
LOST = 69  # EX_UNAVAILABLE of sysexits.h: another host is gone
STOPPED = 75  # EX_TEMPFAIL: by SIGTERM or --max_hours; the same command continues
INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended; the same command continues
SIGNALS = {STOPPED: signal.SIGTERM, INTERRUPTED: signal.SIGINT}  # of a child that was stopped
SCRIPT = "classic-convnets"  # of pyproject.toml
NO_HOME = "Could not determine home directory."  # pathlib's, of ~NAME and of ~ itself
UNKNOWN_HOME = (
    "A path begins with ~, and whose folder that is is not known here: write it out or, if it is "
    "yours, set HOME."
)
MAKE_ROOM = "Make room, then run the same command again: it continues."


def exit_code(run: Callable[[], int]) -> int:
    """Runs `run`; errors meant for people become a paragraph and a code.

    2 for a UsageError, 69 for LostWorker, 1 for other RunErrors and for what the
    system refuses (a full or read-only disk, a name that is too long), 130 for
    Ctrl-C, 141 where the reader of stdout is gone (`| head` has read enough).
    Everything else is a bug of ours, and its traceback is what one needs.
    """
    try:
        _require_output()
        code = run()
        sys.stdout.flush()
        return code
    except UsageError as error:
        told, code = error, 2
    except RunError as error:
        told, code = error, LOST if isinstance(error, LostWorker) else 1
    except BrokenPipeError:
        _drop_output()
        return CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # of the system; or of HDF5 or TensorFlow, about a disk
        told, code = _of_the_system(error), 1
        if str(error) == NO_HOME:
            told, code = UNKNOWN_HOME, 2
        if told is None:
            raise
    with contextlib.suppress(OSError):  # of a full disk, too
        print(as_called(" ".join(str(told).split())), file=sys.stderr)
    return code


def code_of_signal(signum: int) -> int:
    """The exit code of a command that this signal stopped."""
    return INTERRUPTED if signum == signal.SIGINT else STOPPED


def by_script(text: str) -> str:
    """The text, its commands with the script's name if this one was called by it."""
    called = os.path.basename(sys.argv[0]) == SCRIPT
    return text.replace("python -m launch", SCRIPT) if called else text


def as_called(text: str) -> str:
    """The text, its commands as they are to be typed here.

    They have the script's name, and else the path of a Python whose environment is not
    activated.
    """
    text = by_script(text)
    python = pathlib.Path(sys.executable)
    if sys.prefix != sys.base_prefix and shutil.which("python") != sys.executable:
        with contextlib.suppress(ValueError, OSError):  # elsewhere: as long as the command itself
            here = python.relative_to(pathlib.Path.cwd())
            text = re.sub(r"(?<![\w./])python -m (?=launch|pytest)", f"{here} -m ", text)
    return text


def _require_output() -> None:
    """Checks that there is a standard output; makes any name printable.

    What its encoding lacks (in the C locale all but ASCII), and names that are
    no UTF-8, are printed as escapes.
    """
    if sys.stderr is None:
        while os.open(os.devnull, os.O_RDWR) < 2:
            pass  # so that no file of ours is taken for standard error
        sys.stderr = open(os.devnull, "w")
    if sys.stdout is None:
        raise RunError(
            "Standard output is closed, and nothing could be shown. Redirect "
            "it instead: > FILE, or > /dev/null."
        )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """What is left in the buffer would fail again as Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_the_system(error: Exception) -> str | None:
    """What to say; None for an error that names no place and is not about room: a bug's."""
    why = reason(error)
    if not isinstance(error, OSError):
        where = why and str(error).partition(why)[0].rstrip("; ")
        return why and f"{where}: {why}. {MAKE_ROOM}"
    where = error.filename2 or error.filename
    last = traceback.extract_tb(error.__traceback__)[-1].line or ""
    if where is None and ("print(" in last or "sys.stdout" in last):
        where = "standard output"
        _drop_output()
    if where is None and error.errno not in FULL:
        return None
    place = "" if where is None else f"{os.fsdecode(where)}: "
    return f"{place}{why}." + f" {MAKE_ROOM}" * (error.errno in FULL)
