"""Errors that are shown to people, one paragraph and no traceback."""


class UsageError(ValueError):
    """What was asked for cannot be: a name, a flag, a field. Exit code 2."""


class RunError(Exception):
    """Something went wrong that the user can mend. Exit code 1."""


class LostWorker(RunError):
    """Another process of the same training is gone. Exit code 69."""
