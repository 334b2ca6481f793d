"""Files that appear whole or stay as they were."""

import json
import math
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

from common.errors import NotFinite


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
    """Writes indented JSON atomically.

    Raises:
        NotFinite: if a value is NaN or infinite, which JSON has no word for;
            names its place. The file stays as it was.
    """
    write_text(file, json_text(file, value, indent=1) + "\n")


def json_text(file: pathlib.Path, value: Any, **how: Any) -> str:
    """JSON that any reader takes, for `file`; raises as write_json."""
    if odd := next(_not_finite(value, ""), None):
        raise NotFinite(
            f"{file} was not written: {odd}, which is no result. Something "
            "before it has diverged."
        )
    return json.dumps(value, allow_nan=False, **how)


def _not_finite(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield f"its {path.lstrip('.')} would be {value}"
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _not_finite(part, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from _not_finite(part, f"{path}.{place}")


def write_text(file: pathlib.Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    write_atomically(file, lambda stream: stream.write(text.encode()))
