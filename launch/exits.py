"""Errors as one paragraph on stderr and an exit code."""

import dis
import errno
import os
import sys
import types
from collections.abc import Callable

from common.errors import LostWorker, RunError, UsageError

FULL = (errno.ENOSPC, errno.EDQUOT)
NO_PLACE = (  # a path that a person gave; not ENOENT, which may be our bug
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
)
CLOSED = 141  # what a shell says of a program that SIGPIPE ended
LOST = 69  # EX_UNAVAILABLE of sysexits.h: another host is gone
MAKE_ROOM = "Make room, then run the same command again: it continues."
OURS = ("common", "launch", "reproductions", "__main__")


def exit_code(run: Callable[[], int]) -> int:
    """Runs `run`; errors meant for people become a paragraph and a code.

    2 for wrong usage (UsageError, and any ValueError that a `raise` of ours
    raised), 69 for LostWorker, 1 for other RunErrors, a full disk and a path
    that cannot be used, 130 for Ctrl-C, 141 where the reader of stdout is gone
    (`| head` has read enough).
    Everything else is a bug of ours, and its traceback is what one needs.
    """
    try:
        code = run()
        sys.stdout.flush()
        return code
    except RunError as error:
        return _say(error, LOST if isinstance(error, LostWorker) else 1)
    except BrokenPipeError:
        # What is left in the buffer would fail again as Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except OSError as error:
        if error.errno in FULL:
            return _say(RunError(f"{error}. {MAKE_ROOM}"), 1)
        if error.errno in NO_PLACE and error.filename:
            return _say(RunError(f"{error.filename}: {error.strerror}."), 1)
        raise
    except ValueError as error:
        if isinstance(error, UsageError) or _raised_by_us(error.__traceback__):
            return _say(error, 2)
        raise
    except KeyboardInterrupt:
        return 130


def _say(error: Exception, code: int) -> int:
    print(" ".join(str(error).split()), file=sys.stderr)
    return code


def _raised_by_us(trace: types.TracebackType) -> bool:
    """Whether the innermost line is a `raise` in one of our modules.

    A failed int() or a NumPy shape error has one of our lines as its innermost
    too, but is no message to a user.
    """
    while trace.tb_next:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "")
    code = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    return (
        module.partition(".")[0] in OURS and dis.opname[code] == "RAISE_VARARGS"
    )
