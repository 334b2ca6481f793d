"""The images that a data set is made from, wherever they lie.

One `Original` is one image: in an image file, inside a tar, in a row of a
parquet file or of an array. A tar or a folder can be read at any place, so its
training images are written in an order mixed by name; parquet rows and arrays
keep theirs.
"""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

from common.data.preparation.tars import Member


class Original(NamedTuple):
    """One image before it is prepared.

    Attributes:
        name: Its own; what the records call file_name.
        label: 0 .. classes - 1.
        path: The file that it lies in.
        kind: "bytes", "parquet", "array", or "png": a file that is written
            as its pixels are, like an array's.
        at: Offset, row or index in that file.
        size: Bytes, 0 where that is not known.
        stamp: When the file was changed last, in nanoseconds.
    """

    name: str
    label: int
    path: str
    kind: str
    at: int
    size: int
    stamp: int


@dataclasses.dataclass(kw_only=True)
class Originals:
    """A whole data set before it is prepared.

    Attributes:
        layout: How its files lie, for people.
        classes: Names, in the order of the labels.
        splits: The images in the order in which they are written.
        images_per_shard: About so many go into one record file.
        image_shape: (height, width, channels) where all have the same.
        lossless: As `common.data.images.repair.mend` takes it.
        ignored: Files that are not used.
        notes: What a person must know of the classes and of those files.
    """

    layout: str
    classes: tuple[str, ...]
    splits: dict[str, list[Original]]
    images_per_shard: int = 10_000
    image_shape: tuple[int, int, int] | None = None
    lossless: bool = False
    ignored: list[str] = dataclasses.field(default_factory=list)
    notes: tuple[str, ...] = ()


def stamp(path: pathlib.Path) -> int:
    """When a file was changed last, in nanoseconds."""
    return path.stat().st_mtime_ns


def mix_by_name(images: Iterable[Original]) -> list[Original]:
    """An order that depends on the names alone, with the classes mixed."""

    def key(image: Original) -> tuple[bytes, str]:
        name = image.name.encode(errors="surrogateescape")
        return hashlib.blake2b(name, digest_size=8).digest(), image.name

    return sorted(images, key=key)


def folder_files(folder: pathlib.Path) -> list[Member]:
    """(name, mtime in ns, bytes) of the files in a folder, by name."""
    with os.scandir(folder) as entries:
        files = [(e.name, e.stat()) for e in entries if e.is_file()]
    return sorted((n, s.st_mtime_ns, s.st_size) for n, s in files)
