"""What makes a folder of record files a data set that TFDS reads."""

import collections
import pathlib
from collections.abc import Iterable
from typing import Any

from common.data.dataset import MANIFEST, shrunk_to
from common.data.images.repair import SHRUNK
from common.data.preparation.raw_images import Originals
from common.files import write_json


def write(
    folder: pathlib.Path,
    identity: dict[str, str],
    originals: Originals,
    notes: list[dict],
    shorter_side: int | None,
) -> None:
    """Writes the manifest, the features, and last TFDS's own description.

    The manifest says what was written, repaired and left out; it is the same for the
    same images.

    Args:
        folder: Where the record files are.
        identity: `name` and `version`, and `configName` if it has one.
        originals: What they were made from.
        notes: Of every record file, in order.
        shorter_side: What larger images were shrunk to, pixels.
    """
    counts = {split: collections.Counter() for split in originals.splits}
    pixels = {split: collections.Counter() for split in originals.splits}
    for note in notes:
        pixels[note["split"]].update(note["pixels"])
        for label, images in note["classes"].items():
            counts[note["split"]][originals.classes[int(label)]] += images
    left_out = ({name: why for name, (why, _) in n["unreadable"].items()} for n in notes)
    forms = sum(pixels.values(), collections.Counter())
    manifest = {
        "shorter_side": shorter_side,
        "shrunk": sum(images for form, images in forms.items() if SHRUNK in form),
        "splits": {split: each.total() for split, each in counts.items()},
        "pixels": {split: dict(sorted(each.items())) for split, each in pixels.items()},
        "repaired": _merge(note["repaired"] for note in notes),
        "left_out": _merge(left_out),
        "turned_by_exif": sum(note["turned"] for note in notes),
        "ignored": sorted(originals.ignored),
        "notes": list(originals.notes),
        "classes": {split: dict(sorted(each.items())) for split, each in counts.items()},
        "files": {n["file"]: {k: n[k] for k in ("images", "size", "sha256")} for n in notes},
    }
    write_json(folder / MANIFEST, manifest)
    _features(originals, notes).save_config(folder)
    side = shrunk_to(manifest)
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


def _merge(parts: Iterable[dict[str, str]]) -> dict[str, str]:
    return dict(sorted(pair for part in parts for pair in part.items()))


def _features(originals: Originals, notes: list[dict]) -> Any:
    """TFDS's description; the height and width where all PNG files have one."""
    import tensorflow_datasets as tfds

    kinds = {kind for note in notes for kind in note["kinds"]}
    sides = {tuple(note["sides"] or ()) for note in notes if note["images"]}
    shape = originals.image_shape or (None, None, 3)
    if not originals.image_shape and kinds == {"PNG"} and len(sides) == 1 and () not in sides:
        shape = (*sides.pop(), 3)
    kind = kinds.pop().lower() if len(kinds) == 1 else None
    return tfds.features.FeaturesDict(
        {
            "file_name": tfds.features.Text(),
            "image": tfds.features.Image(shape=shape, encoding_format=kind),
            "label": tfds.features.ClassLabel(names=list(originals.classes)),
        }
    )


def _split(split: str, notes: list[dict]) -> dict[str, Any]:
    own = [note for note in notes if note["split"] == split]
    return {
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "name": split,
        "numBytes": str(sum(note["bytes"] for note in own)),
        "shardLengths": [str(note["images"]) for note in own],
    }
