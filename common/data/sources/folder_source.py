"""Where encoded images come from: a folder of image files."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable
from typing import Any

from common.data.dataset import DataSet, Shuffled, TrainingSource
from common.data.images.decoder import as_readable, readable
from common.data.rng import number, permute
from common.data.sharding import parallel_map
from common.data.sources import folder as folder_layout
from common.data.sources.look import Look, look_at
from common.lazy import tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassFolders:
    """What is used of class folders, and what there is to say of them."""

    listing: folder_layout.Listing
    looks: dict[str, Look]  # by path, also of those that cannot be used
    divided: bool  # whether train and test were divided here
    notes: tuple[str, ...]  # what a person must know


def read_folder(
    root: pathlib.Path,
    *,
    again: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> ClassFolders:
    """Finds the images, and looks at each file; see `look_at`.

    Raises:
        RunError: see common.data.sources.folder.scan.
    """
    layout, divided = folder_layout.find_layout(root)
    paths = [path for images in layout.listing().values() for path, _ in images]
    looks = look_at(root, sorted(paths), again=again, progress=progress)
    if damaged := {path: look.why for path, look in looks.items() if look.why}:
        layout.take_away(damaged)
    notes = []
    if divided:
        layout.divide({path: look.digest for path, look in looks.items()})
        train, test = (sum(map(len, layout.images[s].values())) for s in ("train", "test"))
        notes.append(f"{folder_layout.DIVIDED}: {train:,} and {test:,} images.")
    layout.require_trained()
    if cmyk := sum(look.kind == "CMYK JPEG" for look in looks.values() if not look.why):
        notes.append(f"CMYK JPEG files that are read as RGB: {cmyk:,}.")
    notes = (*notes, *layout.notes())
    return ClassFolders(listing=layout.listing(), looks=looks, divided=divided, notes=notes)


class FolderSource(TrainingSource):
    """Image files, read when they are needed; which there are, the data set knows."""

    def __init__(self, dataset: DataSet, root: pathlib.Path):
        self.dataset, self.where = dataset, str(root)
        self._found = dataset.folders
        self._listing = self._found.listing

    def records(self, split: str) -> Any:
        """A tf.data.Dataset of the records in the order of the listing."""
        indices = tf.data.Dataset.range(self.dataset.splits[split])
        return parallel_map(indices, self._reader(split))

    def shuffled(
        self, split: str, *, seed: int, epoch: int, skip: int, first: int | None = None
    ) -> Shuffled:
        """The records of one epoch, from position `skip` on: a permutation.

        Only the `first` of the listing, if that is given.
        """
        order = permute(first or self.dataset.splits[split], seed, epoch)
        return Shuffled(number(order, skip), self._reader(split))

    def class_names(self) -> tuple[str, ...]:
        """Names in the order of the labels."""
        return folder_layout.class_names(self._listing)

    def fingerprint(self) -> dict[str, Any]:
        """What tells this folder from another one: its files, and what was done."""
        digest, contents = hashlib.sha256(), hashlib.sha256()
        for split in sorted(self._listing):
            for path, _ in self._listing[split]:
                size = pathlib.Path(self.where, path).stat().st_size
                digest.update(f"{path}\0{size}\0".encode())
                contents.update(self._found.looks[path].digest.encode())
        told = {
            "name": self.dataset.name,
            "version": "",
            "splits": dict(self.dataset.splits),
            "sha256": digest.hexdigest(),
            "contents": contents.hexdigest(),
        }
        if self._found.divided:
            told["divided"] = folder_layout.DIVIDED
        if damaged := sum(bool(look.why) for look in self._found.looks.values()):
            told["left_out"] = f"{damaged:,} {folder_layout.DAMAGED}"
        return told

    def damage(self, split: str) -> str | None:
        """Which file of the split is no image, and why."""
        for path, _ in self._listing[split]:
            try:
                readable(pathlib.Path(self.where, path).read_bytes())
            except OSError as error:
                return f"{path} cannot be read: {error.strerror}."
            except ValueError as error:
                return f"{path}: {error}."
        return None

    def _reader(self, split: str) -> Callable[[Any], dict[str, Any]]:
        images, labels = self._listing[split], {n: i for i, n in enumerate(self.class_names())}
        with tf.device("CPU:0"):
            ids = tf.constant([path for path, _ in images])
            classes = tf.constant([labels[name] for _, name in images], tf.int64)

        def read(index: Any) -> dict[str, Any]:
            path = tf.gather(ids, index)
            where = tf.strings.join([self.where, path], separator="/")
            return {
                "image": as_readable(tf.io.read_file(where)),
                "label": tf.gather(classes, index),
                "id": path,
            }

        return read
