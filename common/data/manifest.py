"""What `prepare` wrote of a data set: counts, repairs, hashes of the files."""

import json
import pathlib
from typing import Any

MANIFEST = "manifest.json"


def read_manifest(folder: pathlib.Path) -> dict[str, Any] | None:
    """The manifest; None of a set that another program prepared."""
    try:
        return json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError:
        return None


def shrunk(folder: pathlib.Path) -> str:
    """What a title says of images that were shrunk; mostly nothing."""
    side = (read_manifest(folder) or {}).get("shorter_side")
    return f", shrunk to a shorter side of {side}" if side else ""
