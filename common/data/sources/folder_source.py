"""Where encoded images come from: a folder of image files."""

import hashlib
import pathlib
from collections.abc import Callable
from typing import Any

from common.data.dataset import DataSet, Shuffled, TrainingSource, number, permute
from common.data.images.decoder import as_readable, readable
from common.data.sharding import parallel_map
from common.data.sources import folder as folder_layout


class FolderSource(TrainingSource):
    """Image files, read when they are needed."""

    def __init__(self, dataset: DataSet, root: pathlib.Path):
        self.dataset = dataset
        self.where = str(root)
        self._listing, _ = folder_layout.list_images(root)

    def records(self, split: str) -> Any:
        """A tf.data.Dataset of the records in the order of the listing."""
        import tensorflow as tf

        indices = tf.data.Dataset.range(self.dataset.splits[split])
        return parallel_map(indices, self._reader(split))

    def shuffled(self, split: str, *, seed: int, epoch: int, skip: int) -> Shuffled:
        """The records of one epoch, from position `skip` on: a permutation."""
        order = permute(self.dataset.splits[split], seed, epoch)
        return Shuffled(number(order, skip), self._reader(split))

    def files(self) -> dict[str, list[tuple[str, int]]]:
        """Split -> (path relative to `where`, label) of its images."""
        labels = {name: i for i, name in enumerate(self.class_names())}
        return {
            split: [(path, labels[name]) for path, name in images]
            for split, images in self._listing.items()
        }

    def class_names(self) -> tuple[str, ...]:
        """Names in the order of the labels."""
        return folder_layout.class_names(self._listing)

    def fingerprint(self) -> dict[str, Any]:
        """What tells this folder from another one: its files and sizes."""
        digest = hashlib.sha256()
        root = pathlib.Path(self.where)
        for split in sorted(self._listing):
            for path, _ in self._listing[split]:
                size = (root / path).stat().st_size
                digest.update(f"{path}\0{size}\0".encode())
        return {
            "name": self.dataset.name,
            "version": "",
            "splits": dict(self.dataset.splits),
            "sha256": digest.hexdigest(),
        }

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
        import tensorflow as tf

        images = self.files()[split]
        with tf.device("CPU:0"):
            ids = tf.constant([path for path, _ in images])
            classes = tf.constant([label for _, label in images], tf.int64)

        def read(index: Any) -> dict[str, Any]:
            path = tf.gather(ids, index)
            where = tf.strings.join([self.where, path], separator="/")
            return {
                "image": as_readable(tf.io.read_file(where)),
                "label": tf.gather(classes, index),
                "id": path,
            }

        return read
