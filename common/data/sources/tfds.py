"""Where encoded images come from: TFDS's record files.

Folders of image files, in common.data.sources.folder_source, have the same methods. A
record is a dict of scalars: `image` (encoded bytes), `label` (int64) and `id`
(string). The test order is the order of the files; a training order is a
function of (seed, epoch) alone.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
from collections.abc import Callable
from typing import Any

from common.data.catalog import DataSet
from common.data.decoded import decode
from common.data.keys import mix
from common.data.manifest import MANIFEST, read_manifest
from common.data.shards import damage, line_of
from common.data.sources.record_files import ids, read
from common.errors import RunError

# Splits within both are read once and kept in memory, still encoded.
HELD_BYTES = 2**30
HELD_EXAMPLES = 100_000
SHUFFLE_BUFFER = 8192  # encoded images, where a split is not held


@dataclasses.dataclass(frozen=True)
class Shuffled:
    """Training records in the order of one epoch.

    Attributes:
        elements: A tf.data.Dataset of (position in the epoch, element).
        read: From an element to its record, inside a `Dataset.map`.
        decoded: From channels to all that elements are indices of, as
            common.data.decoded.decode gives it; None if there is no such.
        order: The indices from the epoch's first position on, a NumPy array;
            None if elements are no indices.
    """

    elements: Any
    read: Callable[[Any], dict[str, Any]]
    decoded: Callable[[int], dict[str, Any] | None] | None = None
    order: Any = None


def permutation(size: int, seed: int, epoch: int) -> Any:
    """The order of an epoch: (size,) indices, a NumPy array."""
    import numpy as np

    return np.random.default_rng((seed, epoch)).permutation(size)


def numbered(order: Any, skip: int) -> Any:
    """A tf.data.Dataset of (position, index), from position `skip` on."""
    import numpy as np
    import tensorflow as tf

    positions = np.arange(skip, len(order))
    return tf.data.Dataset.from_tensor_slices((positions, order[skip:]))


class RecordSource:
    """A data set that TFDS has prepared.

    Attributes:
        dataset: Its row of the catalogue, with the sizes found here.
        where: The folder, for messages.
        image_shape: (height, width) if all images have the same, else None.
        jpeg: Whether all images are JPEG; None if it is not known.
        shorter_side: Pixels that no image's shorter side is above; None if
            they are not known.
    """

    def __init__(self, dataset: DataSet, folder: pathlib.Path):
        import tensorflow_datasets as tfds

        self.dataset = dataset
        self.where = str(folder)
        self._builder = tfds.builder_from_directory(folder)
        self._held: dict[str, dict[str, Any]] = {}
        self._decoded: dict[tuple[str, int], dict[str, Any] | None] = {}
        image = self._builder.info.features["image"]
        self.image_shape = image.shape[:2] if all(image.shape) else None
        # TFDS writes arrays as PNG unless it is told otherwise.
        guess = False if self.image_shape else None
        formats = {"jpeg": True, "png": False}
        self.jpeg = formats.get(_encoding(self.where), guess)
        known = (read_manifest(folder) or {}).get("shorter_side")
        self.shorter_side = min(self.image_shape or (), default=known)

    def records(self, split: str) -> Any:
        """A tf.data.Dataset of the records in the order of the files."""
        import tensorflow as tf

        if not self._is_small(split):
            return self._stream(split)
        return tf.data.Dataset.from_tensor_slices(self._hold(split))

    def shuffled(
        self, split: str, *, seed: int, epoch: int, skip: int, first: int | None = None
    ) -> Shuffled:
        """The records of one epoch, from position `skip` on.

        Held splits: a permutation. Others: files in a shuffled order, read 16
        at a time, then a shuffle buffer; TensorFlow's global seed takes part.
        Only the `first` examples of the files, if that is given.
        """
        if not self._is_small(split):
            order = mix(seed, epoch) % 2**31
            part = split if first is None else f"{split}[:{first}]"
            records = self._stream(part, shuffle_seed=order)
            records = records.shuffle(SHUFFLE_BUFFER, seed=order, reshuffle_each_iteration=False)
            return Shuffled(records.enumerate().skip(skip), lambda r: r)
        size = first or self.dataset.splits[split]
        order = permutation(size, seed, epoch)
        return Shuffled(
            numbered(order, skip),
            functools.partial(self._read_held, split),
            functools.partial(self._decode, split),
            order,
        )

    def class_names(self) -> tuple[str, ...]:
        """Names in the order of the labels."""
        return tuple(self._builder.info.features["label"].names)

    def fingerprint(self) -> dict[str, Any]:
        """What tells this data set from another one of the same name."""
        digest, folder = hashlib.sha256(), pathlib.Path(self.where)
        manifest = read_manifest(folder)
        names = ["dataset_info.json", "features.json"]
        for name in names + [MANIFEST] * (manifest is not None):
            digest.update((folder / name).read_bytes())
        info = self._builder.info
        side = (manifest or {}).get("shorter_side")
        return {
            "name": info.full_name,
            "version": str(info.version),
            "splits": dict(self.dataset.splits),
            "sha256": digest.hexdigest(),
            **({"shorter_side": side} if side else {}),
        }

    def damage(self, split: str) -> str | None:
        """Which file of the split is damaged, and how."""
        return damage(self.where, self._builder.info.splits[split])

    def _is_small(self, split: str) -> bool:
        info = self._builder.info.splits[split]
        few = self.dataset.splits[split] <= HELD_EXAMPLES
        return few and info.num_bytes <= HELD_BYTES

    def _hold(self, split: str) -> dict[str, Any]:
        if split not in self._held:
            import tensorflow as tf

            info = self._builder.info.splits[split]
            with tf.device("CPU:0"):
                held = self._whole(split)
                if "file_name" in held:
                    held["id"] = held.pop("file_name")
                else:
                    held["id"] = tf.constant(ids(info))
            self._held[split] = held
        return self._held[split]

    def _whole(self, split: str) -> dict[str, Any]:
        import tensorflow as tf

        names = ["image", "label"] + ["file_name"] * self._named
        files = list(map(str, self._builder.info.splits[split].filepaths))
        try:
            if all(".tfrecord" in file for file in files):
                held = read(files, names)
            else:
                parts = list(self._read(split, batch_size=1000))
                held = {n: tf.concat([p[n] for p in parts], 0) for n in names}
            whole = len(held["label"]) == self.dataset.splits[split]
            problem = None if whole else "images are missing."
        except tf.errors.OpError as error:
            problem = line_of(error)
        if problem is None:
            return held
        raise RunError(
            f"{self.dataset.name}: the files of the split {split!r} in "
            f"{self.where} are damaged: {self.damage(split) or problem} "
            f"Prepare the data set again. {self.dataset.how_to_get}"
        )

    def _read_held(self, split: str, index: Any) -> dict[str, Any]:
        import tensorflow as tf

        with tf.init_scope():
            held = self._hold(split)
        return {name: tf.gather(v, index) for name, v in held.items()}

    def _decode(self, split: str, channels: int) -> dict[str, Any] | None:
        if (split, channels) not in self._decoded:
            held, shape = self._hold(split), (*self.image_shape, channels)
            made = pixels = decode(held["image"], shape)
            if pixels is not None:
                made = {"image": pixels, "label": held["label"]}
                del self._held[split]  # once is enough
            self._decoded[split, channels] = made
        return self._decoded[split, channels]

    @property
    def _named(self) -> bool:
        """Whether the images have file names, as ImageNet's have."""
        return "file_name" in self._builder.info.features

    def _stream(self, split: str, shuffle_seed: int | None = None) -> Any:
        name = "file_name" if self._named else "tfds_id"
        records = self._read(split, add_tfds_id=not self._named, shuffle_seed=shuffle_seed)
        return records.map(lambda r: {"image": r["image"], "label": r["label"], "id": r[name]})

    def _read(self, split: str, batch_size: int | None = None, **read_config: Any) -> Any:
        import tensorflow as tf
        import tensorflow_datasets as tfds

        options = tf.data.Options()
        options.deterministic = True
        shuffled = read_config.get("shuffle_seed") is not None
        wanted = ["image", "label"] + ["file_name"] * self._named
        return self._builder.as_dataset(
            split=split,
            batch_size=batch_size,
            shuffle_files=shuffled,
            decoders=tfds.decode.PartialDecoding(
                dict.fromkeys(wanted, True), decoders={"image": tfds.decode.SkipDecoding()}
            ),
            read_config=tfds.ReadConfig(
                options=options,
                try_autocache=False,
                # One file after the other, unless the order is to be mixed.
                interleave_cycle_length=16 if shuffled else 1,
                **read_config,
            ),
        )


def _encoding(folder: str) -> str | None:
    features = json.loads((pathlib.Path(folder) / "features.json").read_text())
    image = features["featuresDict"]["features"]["image"]["image"]
    return image.get("encodingFormat")
