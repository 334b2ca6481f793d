"""The images that a data set is made from, wherever they lie.

One `Original` is one image: in an image file, inside a tar, in a row of a
parquet file or of an array. A tar or a folder can be read at any place, so its
training images are written in an order mixed by name; parquet rows and arrays
keep theirs.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from common.files import write_text

IMAGES_PER_SHARD = 1252  # ImageNet's training set then makes 1,024 files


class Original(NamedTuple):
    """One image before it is prepared."""

    name: str  # its own; what the records call file_name
    label: int  # 0 .. classes - 1
    path: str  # of the file that it lies in
    kind: str  # "bytes", "parquet", "array", or "png": written as its pixels, like an array's
    at: int  # offset, row or index in that file
    size: int  # bytes; 0 where that is not known
    stamp: int  # when the file was changed last, nanoseconds


@dataclasses.dataclass(kw_only=True)
class Originals:
    """A whole data set before it is prepared."""

    layout: str  # how its files lie, for people
    classes: tuple[str, ...]  # in the order of the labels
    splits: dict[str, list[Original]]  # in the order in which they are written
    images_per_shard: int = 10_000  # about so many go into one record file
    image_shape: tuple[int, int, int] | None = None  # (height, width, channels) of all
    lossless: bool = False  # as `common.data.images.repair.mend` takes it
    ignored: list[str] = dataclasses.field(default_factory=list)  # files that are not used
    notes: tuple[str, ...] = ()  # what a person must know of the classes and of those files


def mix_by_name(images: Iterable[Original]) -> list[Original]:
    """An order that depends on the names alone, with the classes mixed."""

    def key(image: Original) -> tuple[bytes, str]:
        name = image.name.encode(errors="surrogateescape")
        return hashlib.blake2b(name, digest_size=8).digest(), image.name

    return sorted(images, key=key)


def remembered(
    folder: pathlib.Path, question: str, file: pathlib.Path, answer: Callable[[], Any]
) -> Any:
    """`answer()`, JSON-able; from a note in `folder` until the file changes."""
    state = file.stat()
    key = json.dumps([question, str(file), state.st_size, state.st_mtime_ns])
    note = folder / f"kept-{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    try:
        return json.loads(note.read_bytes())
    except (FileNotFoundError, ValueError):
        found = answer()
        write_text(note, json.dumps(found))
        return found
