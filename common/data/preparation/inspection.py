"""A look at every record of a data set that is prepared."""

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

from common.data.images.decoder import readable
from common.data.images.jpeg import read_header
from common.data.images.repair import decode
from common.lazy import np, tf


@dataclasses.dataclass(kw_only=True)
class Examined:
    """What was seen in one record file; a record is (name, label, digest)."""

    split: str
    file: str
    sha256: str = ""
    records: list[tuple[str, int, bytes]] = dataclasses.field(default_factory=list)
    bad: list[str] = dataclasses.field(default_factory=list)
    damage: str = ""
    turned: int = 0
    # Of every pixel, 0 .. 255, if it was asked for: how many, and the sums of
    # each channel's values and of their squares, (3,) int64.
    pixels: int = 0
    sums: Any = 0
    squares: Any = 0


def examine(path: pathlib.Path, split: str, deep: bool, add_up: bool = False) -> Examined:
    """Reads a record file: its hash, every label, every image's header.

    Args:
        path: The file.
        split: Which it is part of.
        deep: Decodes every image, too.
        add_up: Adds up the pixels of small colour images.
    """
    seen = Examined(split=split, file=path.name)
    try:
        with open(path, "rb") as file:
            seen.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        for serialized in tf.data.TFRecordDataset(str(path)):
            data = _examine_record(seen, serialized.numpy(), deep=deep)
            if add_up and not seen.bad:
                image = tf.io.decode_image(data, 3, expand_animations=False).numpy()
                values = image.reshape(-1, 3).astype(np.int64)
                seen.pixels += len(values)
                seen.sums += values.sum(0)
                seen.squares += (values**2).sum(0)
    except FileNotFoundError:
        seen.damage = "it is not there"
    except (tf.errors.OpError, OSError) as error:
        reason = getattr(error, "message", str(error)).partition(" [Op:")[0]
        seen.damage = f"it cannot be read after record {len(seen.records):,}: {reason}"
    return seen


def _examine_record(seen: Examined, serialized: bytes, *, deep: bool) -> bytes:
    """Notes what a record has; its image, encoded."""
    features = tf.train.Example.FromString(serialized).features.feature
    [data] = features["image"].bytes_list.value or [b""]
    [label] = features["label"].int64_list.value or [-1]
    [name] = features["file_name"].bytes_list.value or [b""]
    name = name.decode(errors="surrogateescape")
    where = f"{seen.file}, record {len(seen.records)}" + (f" ({name})" if name else "")
    seen.records.append((name, label, hashlib.blake2b(data, digest_size=16).digest()))
    try:
        header = read_header(data)
        seen.turned += header.orientation != 1
        if header.kind not in ("JPEG", "PNG"):
            raise ValueError(f"it is {header.kind}, which is not read here")
        if not header.complete or deep:
            decode(readable(data).data, header)  # `readable` refuses what is too large
    except ValueError as error:
        seen.bad.append(f"{where}: {error}")
    return data


def record_files(folder: pathlib.Path) -> list[tuple[str, pathlib.Path]]:
    """(split, path) of every file that there should be."""
    info = json.loads((folder / "dataset_info.json").read_text())
    files = []
    for split in info["splits"]:
        count = len(split["shardLengths"])
        for i in range(count):
            prefix = f"{info['name']}-{split['name']}.{info['fileFormat']}"
            name = f"{prefix}-{i:05d}-of-{count:05d}"
            files.append((split["name"], folder / name))
    return files
