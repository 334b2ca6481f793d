"""What a data set is, and what all that reads one goes by.

Importing this module imports no TensorFlow.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np

MANIFEST = "manifest.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set, as far as it is known without reading it.

    Attributes:
        name: What users type, such as "mnist" or "folder:/data/birds".
        title: What tables show.
        num_classes: Labels are 0 .. num_classes - 1.
        channels: 1 (grey) or 3 (RGB), as stored.
        splits: Examples in each split.
        test_split: The split that errors are measured on.
        tfds_names: Its names under TFDS's data directory, best first.
        how_to_get: A sentence for people who do not have it.
        notes: What a person must know of a folder's classes and files.
    """

    name: str
    title: str
    num_classes: int
    channels: int
    splits: dict[str, int]
    test_split: str
    tfds_names: tuple[str, ...]
    how_to_get: str
    notes: tuple[str, ...] = ()


@runtime_checkable
class Source(Protocol):
    """Where encoded images come from; what is not known of them has its default here.

    A record is a dict of scalars: `image` (encoded bytes), `label` (int64) and
    `id` (string).

    Attributes:
        dataset: What it is, with the sizes found here.
        where: The folder, for messages.
        image_shape: (height, width) if all images have the same, else None.
        jpeg: Whether all images are JPEG; None if it is not known.
        shorter_side: Pixels that no image's shorter side is above; None if
            they are not known.
    """

    dataset: DataSet
    where: str = ""
    image_shape: tuple[int, int] | None = None
    jpeg: bool | None = None
    shorter_side: int | None = None

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

    Attributes:
        elements: A tf.data.Dataset of (position in the epoch, element).
        read: From an element to its record, inside a `Dataset.map`.
        decoded: From channels to all that elements are indices of: `image`, the
            pixels as common.data.sources.tfds.decode_together gives them, and
            `label`; None if there is no such.
        order: The indices from the epoch's first position on, a NumPy array;
            None if elements are no indices.
    """

    elements: Any
    read: Callable[[Any], dict[str, Any]]
    decoded: Callable[[int], dict[str, Any] | None] | None = None
    order: Any = None


def permute(size: int, seed: int, epoch: int) -> "np.ndarray":
    """The order of an epoch: (size,) indices."""
    import numpy as np

    return np.random.default_rng((seed, epoch)).permutation(size)


def number(order: "np.ndarray", skip: int) -> Any:
    """A tf.data.Dataset of (position, index), from position `skip` on."""
    import numpy as np
    import tensorflow as tf

    positions = np.arange(skip, len(order))
    return tf.data.Dataset.from_tensor_slices((positions, order[skip:]))


def read_manifest(folder: pathlib.Path) -> dict[str, Any] | None:
    """What `prepare` wrote of a set: counts, repairs, hashes of the files.

    None of a set that another program prepared.
    """
    try:
        return json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError:
        return None
