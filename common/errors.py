"""Errors that are shown to people, one paragraph and no traceback."""

import difflib
import re
from collections.abc import Iterable

# Lines of TensorFlow's messages that say where, not what.
_MACHINERY = r"Graph execution error|Detected at node|File |[\d]+ root error|<"


class UsageError(ValueError):
    """What was asked for cannot be: a name, a flag, a field. Exit code 2."""


class RunError(Exception):
    """Something went wrong that the user can mend. Exit code 1."""


class NotFinite(RunError):
    """A loss, a score or a weight is NaN or infinite. Exit code 1."""


class NoRoom(RunError):
    """A disk has less room than is needed. Exit code 1."""


class LostWorker(RunError):
    """Another process of the same training is gone. Exit code 69."""


def tensorflow_message(error: Exception) -> str:
    """The line of one of TensorFlow's errors that says what, not where, as a sentence."""
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(error))
    lines = [line.strip() for line in text.splitlines()]
    told = [n for n in lines if n and not re.match(_MACHINERY, n)]
    return " ".join(told[:1]).rstrip(".") + "."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean X?', X the nearest of the known; '' if none is near.

    What has the name in it (cifar_resnet20, of resnet20) is nearer than what is spelled alike.
    """
    known = list(known)
    if len(name) > 3 and (longer := [one for one in known if name in one]):
        return f" Did you mean {min(longer, key=len)!r}?"
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
