"""What a data set is, and what all that reads one goes by."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

MANIFEST = "manifest.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set, as far as it is known without reading it."""

    name: str  # what users type, such as "mnist" or "folder:/data/birds"
    title: str  # what tables show
    num_classes: int  # labels are 0 .. num_classes - 1
    channels: int  # 1 (grey) or 3 (RGB), as stored
    splits: dict[str, int]  # examples in each split
    test_split: str  # the one that errors are measured on
    tfds_names: tuple[str, ...] = ()  # under TFDS's data directory, best first
    how_to_get: str = ""  # a sentence for people who do not have it
    notes: tuple[str, ...] = ()  # what a person must know of a folder's classes and files
    # Of "folder:" what common.data.sources.folder_source.read_folder found in it.
    folders: Any = dataclasses.field(default=None, compare=False, repr=False)


@runtime_checkable
class Source(Protocol):
    """Where encoded images come from; what is not known of them has its default here.

    A record is a dict of scalars: `image` (encoded bytes), `label` (int64) and
    `id` (string).
    """

    dataset: DataSet  # with the sizes found here
    where: str = ""  # the folder, for messages
    image_shape: tuple[int, int] | None = None  # (height, width), if all have the same
    jpeg: bool | None = None  # whether all images are JPEG
    shorter_side: int | None = None  # pixels that no image's shorter side is above

    def records(self, split: str) -> Any:
        """A tf.data.Dataset of the records of a split in the order of the files."""

    def damage(self, split: str) -> str | None:
        """Which file of the split is damaged, and how; None if none is."""


@runtime_checkable
class TrainingSource(Source, Protocol):
    """A source that is trained on; each epoch's order follows from (seed, epoch)."""

    def shuffled(
        self, split: str, *, seed: int, epoch: int, skip: int, first: int | None = None
    ) -> "Shuffled":
        """The records of one epoch, from position `skip` on; of `first` records, or all."""

    def class_names(self) -> tuple[str, ...]:
        """Names in the order of the labels."""

    def fingerprint(self) -> dict[str, Any]:
        """What tells this data set from another one of the same name."""


@dataclasses.dataclass(frozen=True)
class Shuffled:
    """Training records in the order of one epoch.

    `decoded` gives, of `channels`, all that elements are indices of: `image`, the
    pixels as common.data.sources.tfds.decode_together gives them, and `label`; or
    None.
    """

    elements: Any  # a tf.data.Dataset of (position in the epoch, element)
    read: Callable[[Any], dict[str, Any]]  # from element to record, inside a `Dataset.map`
    decoded: Callable[[int], dict[str, Any] | None] | None = None
    order: Any = None  # (examples,) indices from the first position on, if elements are such


def read_manifest(folder: pathlib.Path) -> dict[str, Any] | None:
    """What `prepare` wrote of a set: counts, repairs, hashes of the files.

    None of a set that another program prepared.
    """
    try:
        return json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError:
        return None


def shrunk_to(manifest: dict[str, Any] | None) -> int | None:
    """The shorter side, pixels, that `prepare` shrank images to; None if it shrank none.

    Earlier manifests do not say whether any was larger.
    """
    asked = (manifest or {}).get("shorter_side")
    return asked if asked and manifest.get("shrunk", True) else None
