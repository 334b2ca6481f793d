"""Rows of the TOML files that the program writes and people read."""

import json
import pathlib
from typing import Any

import tomli

from common.errors import RunError


def toml_row(kind: str, row: dict[str, Any]) -> str:
    """One `[[kind]]` table; a value is text, a number or a list of them."""
    # JSON's strings, numbers and lists of them are TOML's too.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in row.items()]
    return f"\n[[{kind}]]\n" + "\n".join(lines) + "\n"


def read_rows(file: pathlib.Path, kind: str, needed: tuple[str, ...]) -> list[dict[str, Any]]:
    """The `[[kind]]` tables of a file; none if there is no file.

    Raises:
        RunError: if the file is damaged or a row lacks a key of `needed`.
    """
    if not file.exists():
        return []
    try:
        data = tomli.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {error}.") from error
    rows = data.get(kind, [])
    for number, row in enumerate(rows, 1):
        missing = [key for key in needed if key not in row]
        if missing:
            raise RunError(f"{file}: {kind} {number} lacks {', '.join(missing)}.")
    return rows
