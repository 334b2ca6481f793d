"""Rows of the TOML files that the program writes and people read."""

import json
from typing import Any


def toml_row(kind: str, row: dict[str, Any]) -> str:
    """One `[[kind]]` table; a value is text, a number or a list of them."""
    # JSON's strings, numbers and lists of them are TOML's too.
    lines = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in row.items()
    ]
    return f"\n[[{kind}]]\n" + "\n".join(lines) + "\n"
