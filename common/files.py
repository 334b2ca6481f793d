"""Files that appear whole or stay as they were."""

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any


def write_atomically(target: pathlib.Path, write: Callable) -> None:
    """Calls `write(binary file)`; `target` appears whole or stays as it was."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def write_json(file: pathlib.Path, value: Any) -> None:
    """Writes indented JSON atomically."""
    write_text(file, json.dumps(value, indent=1) + "\n")


def write_text(file: pathlib.Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    write_atomically(file, lambda stream: stream.write(text.encode()))
