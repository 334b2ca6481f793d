"""Record files, one at a time: whole, or not there.

A shard's file depends on the images in it and on nothing else. Beside it goes
a note of what was done; a shard with a note that fits is not written again.
"""

import collections
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from common.data.images.jpeg import read_header
from common.data.images.repair import Unreadable, encode_png, mend
from common.data.preparation import arrays, parquet
from common.data.preparation.raw_images import Original, Originals
from common.errors import RunError
from common.files import write_atomically

NOTES = "notes"
_VERSION = 2  # of how an image is written; another one makes notes stale


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard:
    """A record file that is to be written.

    Attributes:
        folder: Where to.
        file: Its name.
        split: Which it is part of.
        images: Its images, in its order.
        shorter_side: As `mend` takes it.
        lossless: Likewise.
    """

    folder: pathlib.Path
    file: str
    split: str
    images: list[Original]
    shorter_side: int | None
    lossless: bool

    @property
    def note(self) -> pathlib.Path:
        """Where what was done is noted."""
        return self.folder / NOTES / f"{self.file}.json"

    def fingerprint(self) -> str:
        """What the file follows from; not where the images lie."""
        how = f"{_VERSION} {self.shorter_side} {self.lossless}"
        digest = hashlib.sha256(how.encode())
        for image in self.images:
            values = (image.name, image.label, image.at, image.size)
            digest.update(repr((*values, image.stamp)).encode())
        return digest.hexdigest()

    def done(self) -> dict[str, Any] | None:
        """The note, if the file is there and is what is asked for."""
        try:
            note = json.loads(self.note.read_bytes())
            there = (self.folder / self.file).stat().st_size
        except (FileNotFoundError, ValueError):
            return None
        same = note["fingerprint"] == self.fingerprint()
        return note if same and there == note["size"] else None


def plan_shards(
    name: str, originals: Originals, folder: pathlib.Path, shorter_side: int | None
) -> list[Shard]:
    """The record files of a data set: as many as its size asks for."""
    shards = []
    for split, images in originals.splits.items():
        count = max(1, -(-len(images) // originals.images_per_shard))
        edges = [round(i * len(images) / count) for i in range(count + 1)]
        for i in range(count):
            shards.append(
                Shard(
                    folder=folder,
                    file=f"{name}-{split}.tfrecord-{i:05d}-of-{count:05d}",
                    split=split,
                    images=images[edges[i] : edges[i + 1]],
                    shorter_side=shorter_side,
                    lossless=originals.lossless,
                )
            )
    return shards


def write(shard: Shard) -> dict[str, Any]:
    """Writes a record file and its note; returns the note.

    Raises:
        RunError: if an image cannot be read or the file not be written.
    """
    examples, note = _examples(shard)
    target = shard.folder / shard.file
    beside = target.with_name(f".{shard.file}.{os.getpid()}.part")
    try:
        _write_records(beside, examples)
        with open(beside, "rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        size = beside.stat().st_size
        os.replace(beside, target)
        note |= {"sha256": digest, "size": size}
        text = json.dumps(note).encode()
        write_atomically(shard.note, lambda file: file.write(text))
    except OSError as error:
        raise RunError(
            f"{target} could not be written: {error.strerror or error}. What was finished is "
            "kept. Make room, then run the same command again: it continues."
        ) from error
    finally:
        beside.unlink(missing_ok=True)
    return note


def _examples(shard: Shard) -> tuple[list[bytes], dict[str, Any]]:
    """The serialized examples, and what there is to say of them."""
    examples: dict[int, bytes] = {}
    repaired, unreadable = {}, {}
    turned, classes = 0, collections.Counter()
    pixels, forms = collections.Counter(), set()
    for place, content in _read(shard):
        image = shard.images[place]
        try:
            if isinstance(content, bytes):
                mended = mend(content, shard.shorter_side, lossless=shard.lossless)
                if mended.repairs:
                    repaired[image.name] = "; ".join(mended.repairs)
                turned += mended.turned
                pixels[mended.pixels] += 1
                content = mended.data
            else:
                content = encode_png(content)
                pixels["pixels as they were, written as PNG"] += 1
        except Unreadable as error:
            unreadable[image.name] = [str(error), image.path]
            continue
        header = read_header(content)
        forms.add((header.kind, header.height, header.width))
        examples[place] = _serialize(image, content)
        classes[image.label] += 1
    ordered = [examples[place] for place in sorted(examples)]
    kinds = sorted({kind for kind, *_ in forms})
    [same] = [form[1:] for form in forms] if len(forms) == 1 else [None]
    return ordered, {
        "file": shard.file,
        "split": shard.split,
        "fingerprint": shard.fingerprint(),
        "images": len(ordered),
        "bytes": sum(map(len, ordered)),
        "classes": dict(sorted(classes.items())),
        "repaired": dict(sorted(repaired.items())),
        "unreadable": dict(sorted(unreadable.items())),
        "turned": turned,
        "pixels": dict(sorted(pixels.items())),
        "kinds": kinds,
        "sides": same,
    }


def _read(shard: Shard):
    try:
        yield from _contents(shard.images)
    except OSError as error:
        raise RunError(
            f"The images of {shard.file} could not be read: {error}. What was finished is kept: "
            "run the same command again when the source is there."
        ) from error


def _contents(images: list[Original]) -> Iterator[tuple[int, Any]]:
    """(place in `images`, bytes or pixels) of each, in the order of the disk.

    Raises:
        OSError: if a file cannot be read.
    """
    places = sorted(range(len(images)), key=lambda i: (images[i].path, images[i].at))
    by_file: dict[str, list[int]] = {}
    for place in places:
        by_file.setdefault(images[place].path, []).append(place)
    for path, inside in by_file.items():
        rows = [images[place].at for place in inside]
        kind = images[inside[0]].kind
        if kind == "bytes":
            with open(path, "rb", buffering=0) as file:
                for place in inside:
                    # One call reads at most 2 GiB, far more than an image has.
                    image = images[place]
                    yield place, os.pread(file.fileno(), image.size, image.at)
        elif kind == "parquet":
            yield from zip(inside, parquet.images(path, rows), strict=True)
        elif kind == "png":
            yield inside[0], arrays.png(path)
        else:
            pixels = arrays.pixels(path)
            yield from zip(inside, (pixels[i] for i in rows), strict=True)


def _serialize(image: Original, content: bytes) -> bytes:
    """As TFDS writes them: image, label, file_name."""
    from tensorflow.core.example import example_pb2, feature_pb2

    name = image.name.encode(errors="surrogateescape")
    features = {
        "image": feature_pb2.Feature(bytes_list=feature_pb2.BytesList(value=[content])),
        "label": feature_pb2.Feature(int64_list=feature_pb2.Int64List(value=[image.label])),
        "file_name": feature_pb2.Feature(bytes_list=feature_pb2.BytesList(value=[name])),
    }
    example = example_pb2.Example(features=feature_pb2.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _write_records(path: pathlib.Path, examples: list[bytes]) -> None:
    import tensorflow as tf

    try:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for example in examples:
                writer.write(example)
    except tf.errors.OpError as error:
        raise OSError(error.message) from error
