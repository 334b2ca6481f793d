"""Files that a command is to make: nothing is ever written over."""

import os
import pathlib

from common.errors import RunError, UsageError


def require_place(path: pathlib.Path, flag: str) -> None:
    """Checks that `path`, given with `flag`, can be a file.

    Raises:
        UsageError: if it is a folder, or its own folder does not exist.
        RunError: if nothing can be written there, before anything is computed for it.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder: {flag} takes a file.")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(
            f"There is no folder {path.parent} to write {path.name} in (given with {flag})."
        )
    if not os.access(folder, os.W_OK):
        raise RunError(
            f"Nothing can be written to {folder}, the folder of {path.name}: it is read-only "
            f"here. Give another {flag}."
        )


def require_new(path: pathlib.Path, flag: str) -> None:
    """Checks that `path`, given with `flag`, can be made.

    Raises:
        UsageError: if it exists, or its folder does not.
        RunError: if nothing can be written there.
    """
    require_absent(path, flag)
    require_place(path, flag)


def require_absent(path: pathlib.Path, flag: str) -> None:
    """Raises a UsageError if `path`, given with `flag`, is there, whatever its folder is."""
    if path.exists():
        raise UsageError(
            f"{path} exists already; it stays as it is. Remove it, or give another {flag}."
        )


def record_of(file: pathlib.Path) -> pathlib.Path:
    """The JSON file beside an exported file."""
    return file.with_name(file.name + ".json")
