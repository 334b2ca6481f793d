"""Files that a command is to make: nothing is ever written over."""

import pathlib

from common.errors import UsageError


def require_place(path: pathlib.Path, flag: str) -> None:
    """Checks that `path`, given with `flag`, can be a file.

    Raises:
        UsageError: if it is a folder, or its own folder does not exist.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder: {flag} takes a file.")
    if not path.absolute().parent.is_dir():
        raise UsageError(
            f"There is no folder {path.parent} to write {path.name} in (given with {flag})."
        )


def require_new(path: pathlib.Path, flag: str) -> None:
    """Checks that `path`, given with `flag`, can be made.

    Raises:
        UsageError: if it exists, or its folder does not.
    """
    if path.exists():
        raise UsageError(
            f"{path} exists already; it stays as it is. Remove it, or give another {flag}."
        )
    require_place(path, flag)
