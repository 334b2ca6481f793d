"""Errors as one paragraph on stderr and an exit code."""

import contextlib
import errno
import io
import os
import pathlib
import shutil
import sys
import traceback
import types
from collections.abc import Callable

from common.errors import LostWorker, RunError, UsageError
from common.files import reason

FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = 141  # what a shell says of a program that SIGPIPE ended
LOST = 69  # EX_UNAVAILABLE of sysexits.h: another host is gone
SCRIPT = "classic-convnets"  # of pyproject.toml
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
        return _say(error, 2)
    except RunError as error:
        return _say(error, LOST if isinstance(error, LostWorker) else 1)
    except BrokenPipeError:
        _drop_output()
        return CLOSED
    except OSError as error:
        if (told := _of_the_system(error)) is None:
            raise
        return _say(told, 1)
    except Exception as error:  # of HDF5 or TensorFlow, about a disk
        if (why := reason(error)) is None:
            raise
        where = str(error).partition(why)[0].rstrip("; ")
        return _say(RunError(f"{where}: {why}. {MAKE_ROOM}"), 1)
    except KeyboardInterrupt:
        return 130


def as_called(text: str) -> str:
    """The text, its commands as this one was called: by the script's name, if it was."""
    script = os.path.basename(sys.argv[0]) == SCRIPT
    return text.replace("python -m launch", SCRIPT) if script else text


def as_typed(text: str) -> str:
    """As `as_called`, and with the path of a Python whose environment is not activated."""
    python = pathlib.Path(sys.executable)
    if sys.prefix != sys.base_prefix and shutil.which("python") != sys.executable:
        with contextlib.suppress(ValueError):  # elsewhere: as long as the command itself
            text = text.replace("python -m", f"{python.relative_to(pathlib.Path.cwd())} -m")
    return as_called(text)


def _say(error: Exception, code: int) -> int:
    with contextlib.suppress(OSError):  # of a full disk, too
        print(as_called(" ".join(str(error).split())), file=sys.stderr)
    return code


def _require_output() -> None:
    """Checks that there is a standard output; makes any name printable.

    What its encoding lacks (in the C locale all but ASCII), and names that are
    no UTF-8, are printed as escapes.
    """
    if sys.stderr is None:
        _fill_up_to(2)
        sys.stderr = open(os.devnull, "w")
    if sys.stdout is None:
        raise RunError(
            "Standard output is closed, and nothing could be shown. Redirect "
            "it instead: > FILE, or > /dev/null."
        )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fill_up_to(descriptor: int) -> None:
    """So that no file of ours is taken for standard error."""
    while os.open(os.devnull, os.O_RDWR) < descriptor:
        pass


def _drop_output() -> None:
    """What is left in the buffer would fail again as Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_the_system(error: OSError) -> RunError | None:
    """None for one that names no place and is not about room: a bug's."""
    where = error.filename2 or error.filename
    if where is None and _while_printing(error.__traceback__):
        where = "standard output"
        _drop_output()
    if where is None and error.errno not in FULL:
        return None
    place = "" if where is None else f"{os.fsdecode(where)}: "
    advice = f" {MAKE_ROOM}" if error.errno in FULL else ""
    return RunError(f"{place}{reason(error)}.{advice}")


def _while_printing(trace: types.TracebackType) -> bool:
    line = traceback.extract_tb(trace)[-1].line or ""
    return "print(" in line or "sys.stdout" in line
