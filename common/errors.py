"""Errors that are shown to people, one paragraph and no traceback."""

import difflib
from collections.abc import Iterable


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


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean X?', X the nearest of the known; '' if none is near.

    What has the name in it (cifar_resnet20, of resnet20) is nearer than what is spelled alike.
    """
    known = list(known)
    if len(name) > 3 and (longer := [one for one in known if name in one]):
        return f" Did you mean {min(longer, key=len)!r}?"
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
