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
from common.data.preparation import archives, arrays
from common.data.preparation.raw_images import Original, Originals
from common.errors import RunError
from common.files import whole, write_text, writing
from common.lazy import tf

NOTES = "notes"
_VERSION = 3  # of how an image is written; another one makes notes stale


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard:
    """A record file that is to be written."""

    folder: pathlib.Path
    file: str
    split: str
    images: list[Original]  # in its order
    shorter_side: int | None  # as `mend` takes it, like `lossless`
    lossless: bool

    @property
    def note(self) -> pathlib.Path:
        """Where what was done is noted."""
        return self.folder / NOTES / f"{self.file}.json"

    def fingerprint(self) -> str:
        """What the file follows from; not where the images lie."""
        digest = hashlib.sha256(f"{_VERSION} {self.shorter_side} {self.lossless}".encode())
        for image in self.images:
            facts = (image.name, image.label, image.at, image.size, image.stamp)
            digest.update(repr(facts).encode())
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
    try:
        with whole(shard.folder / shard.file) as made:
            with tf.io.TFRecordWriter(str(made)) as writer:
                for example in examples:
                    writer.write(example)
            with open(made, "rb+") as file:
                note["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
                note["size"] = os.fstat(file.fileno()).st_size
                os.fsync(file.fileno())
        with writing(shard.note):
            write_text(shard.note, json.dumps(note))
    except RunError as error:
        raise RunError(f"{error} What was finished is kept: it continues.") from error
    return note


def _examples(shard: Shard) -> tuple[list[bytes], dict[str, Any]]:
    """The serialized examples, and what there is to say of them."""
    examples: dict[int, bytes] = {}
    repaired, unreadable, turned = {}, {}, 0
    classes, pixels, forms = collections.Counter(), collections.Counter(), set()
    try:
        for place, content in _contents(shard.images):
            image = shard.images[place]
            if isinstance(content, bytes):
                try:
                    mended = mend(content, shard.shorter_side, lossless=shard.lossless)
                except Unreadable as error:
                    unreadable[image.name] = [str(error), image.path]
                    continue
                if mended.repairs:
                    repaired[image.name] = "; ".join(mended.repairs)
                turned += mended.turned
                content, form = mended.data, mended.pixels
            else:
                content, form = encode_png(content), "pixels as they were, written as PNG"
            pixels[form] += 1
            header = read_header(content)
            forms.add((header.kind, header.height, header.width))
            examples[place] = _serialize(image, content)
            classes[image.label] += 1
    except OSError as error:
        raise RunError(
            f"The images of {shard.file} could not be read: {error}. What was finished is kept: "
            "run the same command again when the source is there."
        ) from error
    return [examples[place] for place in sorted(examples)], {
        "file": shard.file,
        "split": shard.split,
        "fingerprint": shard.fingerprint(),
        "images": len(examples),
        "bytes": sum(map(len, examples.values())),
        "classes": dict(sorted(classes.items())),
        "repaired": dict(sorted(repaired.items())),
        "unreadable": dict(sorted(unreadable.items())),
        "turned": turned,
        "pixels": dict(sorted(pixels.items())),
        "kinds": sorted({kind for kind, *_ in forms}),
        "sides": next(iter(forms))[1:] if len(forms) == 1 else None,
    }


def _contents(images: list[Original]) -> Iterator[tuple[int, Any]]:
    """(place in `images`, bytes or pixels) of each, in the order of the disk.

    Raises:
        OSError: if a file cannot be read.
    """
    by_file: dict[str, list[int]] = {}
    for place in sorted(range(len(images)), key=lambda i: (images[i].path, images[i].at)):
        by_file.setdefault(images[place].path, []).append(place)
    for path, inside in by_file.items():
        rows = [images[place].at for place in inside]
        match images[inside[0]].kind:
            case "bytes":
                with open(path, "rb", buffering=0) as file:
                    for place, at in zip(inside, rows, strict=True):
                        # One call reads at most 2 GiB, far more than an image has.
                        yield place, os.pread(file.fileno(), images[place].size, at)
            case "parquet":
                yield from zip(inside, archives.parquet_images(path, rows), strict=True)
            case "png":
                yield inside[0], arrays.read_png(path)
            case "array":
                pixels, _ = arrays.read(path)
                yield from zip(inside, (pixels[i] for i in rows), strict=True)


def _serialize(image: Original, content: bytes) -> bytes:
    """As TFDS writes them: image, label, file_name."""
    name = image.name.encode(errors="surrogateescape")
    features = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[content])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[image.label])),
        "file_name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[name])),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)
