"""Where encoded images come from: TFDS's record files.

The test order is the order of the files; a training order is a function of
(seed, epoch) alone. Importing this module imports no TensorFlow.
"""

import functools
import hashlib
import json
import pathlib
from typing import Any

from common.data.dataset import (
    MANIFEST,
    DataSet,
    Shuffled,
    TrainingSource,
    read_manifest,
    shrunk_to,
)
from common.data.images.decoder import has_alpha, luminance
from common.data.rng import fold_in, number, permute
from common.data.sharding import parallel_map
from common.errors import RunError, tensorflow_message
from common.lazy import np, tf

# Splits within both are read once and kept in memory, still encoded.
HELD_BYTES = 2**30
HELD_EXAMPLES = 100_000
SHUFFLE_BUFFER = 8192  # encoded images, where a split is not held
_PARSED = 1000  # records that are parsed together
_UNROLLED = 250  # images that one call decodes


class RecordSource(TrainingSource):
    """A data set that TFDS has prepared."""

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
        features = json.loads((folder / "features.json").read_text())
        stored = features["featuresDict"]["features"]["image"]["image"]
        self.jpeg = formats.get(stored.get("encodingFormat"), guess)
        known = (read_manifest(folder) or {}).get("shorter_side")
        self.shorter_side = min(self.image_shape or (), default=known)

    def records(self, split: str) -> Any:
        """A tf.data.Dataset of the records in the order of the files."""
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
            order = fold_in(seed, epoch) % 2**31
            part = split if first is None else f"{split}[:{first}]"
            records = self._stream(part, shuffle_seed=order)
            records = records.shuffle(SHUFFLE_BUFFER, seed=order, reshuffle_each_iteration=False)
            return Shuffled(records.enumerate().skip(skip), lambda r: r)
        size = first or self.dataset.splits[split]
        order = permute(size, seed, epoch)
        return Shuffled(
            number(order, skip),
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
        side = shrunk_to(manifest)
        return {
            "name": info.full_name,
            "version": str(info.version),
            "splits": dict(self.dataset.splits),
            "sha256": digest.hexdigest(),
            **({"shorter_side": side} if side else {}),
        }

    def damage(self, split: str) -> str | None:
        """The first damaged TFRecord file of the split and what is wrong with it.

        Reads them all: TFRecord has a checksum for each record, and TFDS keeps
        how many each file should hold.
        """
        info = self._builder.info.splits[split]
        for name, length in zip(info.filenames, info.shard_lengths, strict=True):
            path = pathlib.Path(self.where, name)
            records = tf.data.TFRecordDataset(str(path))
            try:
                count = int(records.reduce(0, lambda number, _: number + 1))
            except tf.errors.OpError as error:
                return f"{path}: {tensorflow_message(error)}"
            if count != length:
                return f"{path} has {count} whole records, not {length}."
        return None

    def _is_small(self, split: str) -> bool:
        info = self._builder.info.splits[split]
        few = self.dataset.splits[split] <= HELD_EXAMPLES
        return few and info.num_bytes <= HELD_BYTES

    def _hold(self, split: str) -> dict[str, Any]:
        """All records, read once; of damaged files a RunError."""
        if split in self._held:
            return self._held[split]
        info, names = self._builder.info.splits[split], self._names
        try:
            with tf.device("CPU:0"):
                held = read_records(list(map(str, info.filepaths)), names)
                ids = held.pop("file_name") if "file_name" in held else tf.constant(list_ids(info))
            whole = len(held["label"]) == self.dataset.splits[split]
            problem = None if whole else "images are missing."
        except tf.errors.OpError as error:
            problem = tensorflow_message(error)
        if problem:
            raise RunError(
                f"{self.dataset.name}: the files of the split {split!r} in "
                f"{self.where} are damaged: {self.damage(split) or problem} "
                f"Prepare the data set again. {self.dataset.how_to_get}"
            )
        self._held[split] = held | {"id": ids}
        return self._held[split]

    def _read_held(self, split: str, index: Any) -> dict[str, Any]:
        with tf.init_scope():
            held = self._hold(split)
        return {name: tf.gather(v, index) for name, v in held.items()}

    def _decode(self, split: str, channels: int) -> dict[str, Any] | None:
        if (split, channels) not in self._decoded:
            held, shape = self._hold(split), (*self.image_shape, channels)
            made = pixels = decode_together(held["image"], shape)
            if pixels is not None:
                made = {"image": pixels, "label": held["label"]}
                del self._held[split]  # once is enough
            self._decoded[split, channels] = made
        return self._decoded[split, channels]

    @property
    def _names(self) -> list[str]:
        """Features that are read; images may have file names, as ImageNet's do."""
        named = "file_name" in self._builder.info.features
        return ["image", "label"] + ["file_name"] * named

    def _stream(self, split: str, shuffle_seed: int | None = None) -> Any:
        import tensorflow_datasets as tfds

        options = tf.data.Options()
        options.deterministic = True
        shuffled, named = shuffle_seed is not None, "file_name" in self._names
        records = self._builder.as_dataset(
            split=split,
            shuffle_files=shuffled,
            decoders=tfds.decode.PartialDecoding(
                dict.fromkeys(self._names, True), decoders={"image": tfds.decode.SkipDecoding()}
            ),
            read_config=tfds.ReadConfig(
                options=options,
                try_autocache=False,
                # One file after the other, unless the order is to be mixed.
                interleave_cycle_length=16 if shuffled else 1,
                add_tfds_id=not named,
                shuffle_seed=shuffle_seed,
            ),
        )
        name = "file_name" if named else "tfds_id"
        return records.map(lambda r: {"image": r["image"], "label": r["label"], "id": r[name]})


def read_records(files: list[str], names: list[str]) -> dict[str, Any]:
    """All records of whole TFRecord files, in order.

    TFDS gives the same, but parses each record alone, which takes 14 times
    as long.

    Args:
        files: Paths.
        names: Of the wanted features: `label`, int64; the others are strings.
    """
    kinds = {"label": tf.int64}
    features = {name: tf.io.FixedLenFeature((), kinds.get(name, tf.string)) for name in names}
    batches = tf.data.TFRecordDataset(files).batch(_PARSED)
    parts = list(batches.map(lambda b: tf.io.parse_example(b, features)))
    return {name: tf.concat([p[name] for p in parts], 0) for name in names}


def list_ids(split_info: Any) -> list[str]:
    """As ReadConfig(add_tfds_id=True), which takes longer than reading."""
    files = zip(split_info.filenames, split_info.shard_lengths, strict=True)
    return [f"{file}__{i}" for file, size in files for i in range(size)]


def decode_together(encoded: Any, shape: tuple[int, int, int]) -> Any:
    """The pixels of PNG files of one shape, uint8.

    Args:
        encoded: (images,) string tensor.
        shape: (height, width, channels).

    Returns:
        As common.data.transforms.view.with_zero_pixel. None if an image is damaged, or may be
        transparent: where they are read one by one, an error will name it, or white is under it.
    """
    images, (height, width, channels) = len(encoded), shape
    try:
        if tf.reduce_any(has_alpha(encoded)):
            return None
    except tf.errors.OpError:  # too short for a header
        return None
    colours = tf.strings.substr(encoded, 25, 1) != b"\0"
    coloured = channels == 1 and bool(tf.reduce_any(colours))
    pixels = np.zeros((1 + images * height * width, channels), np.uint8)
    blank = tf.repeat(encoded[:1], -images % _UNROLLED)

    def several(files: Any) -> Any:
        one = [tf.io.decode_png(f, 3 if coloured else channels) for f in tf.unstack(files)]
        one = [luminance(image) for image in one] if coloured else one
        return tf.ensure_shape(tf.stack(one), (_UNROLLED, *shape))

    files = tf.data.Dataset.from_tensor_slices(tf.concat([encoded, blank], 0))
    parts = parallel_map(files.batch(_UNROLLED, drop_remainder=True), several)
    rest = pixels.reshape(-1)[channels:]
    try:
        for part in parts.as_numpy_iterator():
            rest[: part.size] = part.reshape(-1)[: rest.size]
            rest = rest[part.size :]
    except tf.errors.OpError:
        return None
    with tf.device("CPU:0"):
        return tf.constant(pixels)
