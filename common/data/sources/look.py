"""A look at every file of class folders: what it is, and whether it can be used.

What cannot is what `prepare` would leave out (common.data.images.repair.mend). It
is known before the first step, so training never meets it. The answers are kept
until a file changes.
"""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import io
import json
import os
import pathlib
import time
from collections.abc import Callable, Sequence

from common.data.images.decoder import readable
from common.data.images.repair import Unreadable, mend
from common.errors import RunError
from common.files import cache_dir, write_json

_WORTH_KEEPING = 1.0  # seconds that a look took
_JUDGED_AT_ONCE = 50  # files that are worth another process, whose start takes seconds
_VERSION = 2  # of what a Look says


@dataclasses.dataclass(frozen=True)
class Look:
    """What a file is."""

    digest: str  # hash of its bytes, 32 hexadecimal digits
    why: str = ""  # it cannot be used; "" if it can
    kind: str = ""  # as `Encoded.form`
    turned: bool = False  # whether EXIF says that it should be shown turned
    height: int = 0  # pixels, as stored
    width: int = 0


def look_at(
    root: pathlib.Path,
    paths: Sequence[str],
    *,
    again: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Look]:
    """Path -> what it is, of files whose paths are relative to `root`.

    What took long is kept in the cache, until a file changes.

    Args:
        again: Whether files are read though they did not change.
        progress: Called with what is done, how much of it, and of how much.
    """
    began = time.monotonic()
    versions = [importlib.metadata.version(name) for name in ("pillow", "tensorflow")]
    facts = json.dumps([_VERSION, *versions, os.path.realpath(root)])
    key = hashlib.sha256(facts.encode()).hexdigest()[:32]
    place = cache_dir() / "folders" / f"{key}.json"
    try:
        kept = {} if again else json.loads(place.read_bytes())
    except (OSError, ValueError):
        kept = {}
    states = {path: _state(root / path) for path in paths}
    new = [path for path in paths if kept.get(path, [None])[0] != states[path]]
    looks = _look_at_all(root, new, progress or (lambda *_: None))
    seen = {
        path: [states[path], dataclasses.astuple(looks[path])] if path in looks else kept[path]
        for path in paths
    }
    if new and time.monotonic() - began > _WORTH_KEEPING:
        # A disk may be full or read-only: it is looked at again.
        with contextlib.suppress(OSError, RunError):
            place.parent.mkdir(parents=True, exist_ok=True)
            write_json(place, seen)
    return {path: Look(*values) for path, (_, values) in seen.items()}


def _state(path: pathlib.Path) -> list[int]:
    """What changes with a file: bytes, and when it was written."""
    try:
        state = path.stat()
    except OSError:  # reading it says why
        return []
    return [state.st_size, state.st_mtime_ns]


def _look_at_all(
    root: pathlib.Path, paths: Sequence[str], progress: Callable[[str, int, int], None]
) -> dict[str, Look]:
    """Pillow finds the doubtful ones; `mend` judges them, in processes of its own.

    TensorFlow must not start here: its devices are not chosen yet.
    """
    from concurrent.futures import ThreadPoolExecutor  # not for `list`, which is quick

    from common.data.processes import workers

    looks, doubtful, cores = {}, [], len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(min(16, cores)) as threads:
        found = threads.map(_look, [root / path for path in paths])
        for done, (path, (look, sound)) in enumerate(zip(paths, found, strict=True), 1):
            looks[path] = look
            if not sound:
                doubtful.append(path)
            progress("looking at image files", done, len(paths))
    if doubtful:
        count = min(cores, -(-len(doubtful) // _JUDGED_AT_ONCE))
        parts = [(root, doubtful[k::count]) for k in range(count)]
        with workers(max(2, count)) as each:
            for _, judged in each(_judge, parts):
                for path, why in judged.items():
                    looks[path] = dataclasses.replace(looks[path], why=why)
    return looks


def _look(path: pathlib.Path) -> tuple[Look, bool]:
    """What it is, and whether that is certain."""
    from PIL import Image

    digest = ""
    try:
        data = path.read_bytes()
        digest = hashlib.blake2b(data, digest_size=16).hexdigest()
        found = readable(data)
    except OSError as error:
        return Look(digest, f"it cannot be read: {error.strerror}"), True
    except ValueError as error:
        return Look(digest, str(error)), True
    header, sound = found.header, found.header.complete
    if sound and found.data is data:  # else it was decoded just now
        try:
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "MPO")) as image:
                image.load()
        except Exception:  # Pillow raises many kinds
            sound = False
    look = Look(digest, "", found.form, found.orientation != 1, header.height, header.width)
    return look, sound


def _judge(root: pathlib.Path, paths: Sequence[str]) -> dict[str, str]:
    """Why `prepare` would leave each file out; "" if it would not."""
    found = dict.fromkeys(paths, "")
    for path in paths:
        try:
            mend((root / path).read_bytes(), None, lossless=True)
        except Unreadable as error:
            found[path] = str(error)
        except OSError as error:
            found[path] = f"it cannot be read: {error.strerror}"
    return found
