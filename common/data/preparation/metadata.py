"""What makes a folder of record files a data set that TFDS reads."""

import collections
import pathlib
from collections.abc import Iterable
from typing import Any

from common.data.dataset import MANIFEST
from common.data.preparation.raw_images import Originals
from common.files import write_json

_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"


def manifest(originals: Originals, notes: list[dict], shorter_side: int | None) -> dict[str, Any]:
    """What was written, repaired and left out; the same for the same images."""
    counts = {split: collections.Counter() for split in originals.splits}
    pixels = {split: collections.Counter() for split in originals.splits}
    for note in notes:
        pixels[note["split"]].update(note["pixels"])
        for label, images in note["classes"].items():
            name = originals.classes[int(label)]
            counts[note["split"]][name] += images
    return {
        "shorter_side": shorter_side,
        "splits": {split: counts[split].total() for split in originals.splits},
        "pixels": {split: dict(sorted(each.items())) for split, each in pixels.items()},
        "repaired": _merge(note["repaired"] for note in notes),
        "left_out": _merge(
            {name: why for name, (why, _) in note["unreadable"].items()} for note in notes
        ),
        "turned_by_exif": sum(note["turned"] for note in notes),
        "ignored": sorted(originals.ignored),
        "notes": list(originals.notes),
        "classes": {split: dict(sorted(counts[split].items())) for split in counts},
        "files": {
            note["file"]: {k: note[k] for k in ("images", "size", "sha256")} for note in notes
        },
    }


def _merge(parts: Iterable[dict[str, str]]) -> dict[str, str]:
    return dict(sorted(pair for part in parts for pair in part.items()))


def write(
    folder: pathlib.Path,
    identity: dict[str, str],
    originals: Originals,
    notes: list[dict],
    manifest: dict[str, Any],
) -> None:
    """Writes the manifest, the features, and last TFDS's own description.

    Args:
        folder: Where the record files are.
        identity: `name` and `version`, and `configName` if it has one.
        originals: What they were made from.
        notes: Of every record file, in order.
        manifest: As `manifest` makes it.
    """
    write_json(folder / MANIFEST, manifest)
    _features(originals, notes).save_config(folder)
    side = manifest["shorter_side"]
    resized = f", shrunk to a shorter side of {side} pixels" if side else ""
    info = {
        "description": f"Prepared by python -m launch prepare{resized}.",
        "fileFormat": "tfrecord",
        "moduleName": __name__,
        **identity,
        "splits": [_split(split, notes) for split in originals.splits],
        "supervisedKeys": {"tuple": {"items": [{"featureKey": "image"}, {"featureKey": "label"}]}},
    }
    write_json(folder / "dataset_info.json", info)


def _features(originals: Originals, notes: list[dict]) -> Any:
    """TFDS's description; the height and width where all PNG files have one."""
    import tensorflow_datasets as tfds

    kinds = {kind for note in notes for kind in note["kinds"]}
    sides = {tuple(note["sides"] or ()) for note in notes if note["images"]}
    shape = originals.image_shape
    if shape is None and kinds == {"PNG"} and len(sides) == 1:
        shape = (*sides.pop(), 3)
        shape = shape if len(shape) == 3 else None
    [kind] = kinds if len(kinds) == 1 else [None]
    image = tfds.features.Image(
        shape=shape or (None, None, 3), encoding_format=kind and kind.lower()
    )
    label = tfds.features.ClassLabel(names=list(originals.classes))
    return tfds.features.FeaturesDict(
        {"file_name": tfds.features.Text(), "image": image, "label": label}
    )


def _split(split: str, notes: list[dict]) -> dict[str, Any]:
    own = [note for note in notes if note["split"] == split]
    return {
        "filepathTemplate": _TEMPLATE,
        "name": split,
        "numBytes": str(sum(note["bytes"] for note in own)),
        "shardLengths": [str(note["images"]) for note in own],
    }
