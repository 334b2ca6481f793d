"""Image files laid out as SOURCE/{train,val}/CLASS/*."""

import pathlib

from common.data.preparation.jpeg import read_header
from common.data.preparation.originals import (
    SUFFIXES,
    Original,
    Originals,
    folder_files,
    mixed,
)
from common.errors import RunError

SPLITS = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
IMAGES_PER_SHARD = 1252  # ImageNet's training set then makes 1,024 files


def find(source: pathlib.Path) -> Originals:
    """The images of any set of class folders; labels by the names' order.

    Raises:
        RunError: if there is no such layout.
    """
    places = {
        split: source / name
        for name, split in SPLITS.items()
        if (source / name).is_dir()
    }
    if "train" not in places or len(places) < 2:
        raise RunError(
            f"{source} is not laid out as SOURCE/{{train,val}}/CLASS/*.jpg: it "
            f"has {_listed(source)}. Unpack the data set and name the folder "
            "that has train in it."
        )
    folders = {
        split: sorted(e for e in place.iterdir() if e.is_dir())
        for split, place in places.items()
    }
    classes = sorted({f.name for found in folders.values() for f in found})
    ignored: list[str] = []
    splits = {}
    for split, found in folders.items():
        images = [
            image
            for folder in found
            for image in of_class(folder, classes.index(folder.name), ignored)
        ]
        splits[split] = mixed(images) if split == "train" else images
    return Originals(
        layout=f"class folders in {source}",
        classes=tuple(classes),
        splits=splits,
        images_per_shard=IMAGES_PER_SHARD,
        ignored=ignored,
    )


def of_class(
    folder: pathlib.Path, label: int, ignored: list[str]
) -> list[Original]:
    """The images of one class, by name; others go to `ignored`."""
    images = []
    for name, changed, size in folder_files(folder):
        path = folder / name
        if path.suffix.lower() in SUFFIXES:
            own = f"{folder.name}/{name}"
            images.append(
                Original(own, label, str(path), "bytes", 0, size, changed)
            )
        else:
            ignored.append(str(path))
    return images


def imagenette_config(originals: Originals) -> str:
    """TFDS's name for the size that the pictures have."""
    image = originals.splits["train"][0]
    header = read_header(pathlib.Path(image.path).read_bytes())
    side = min(header.height, header.width)
    sizes = {160: "160px-v2", 320: "320px-v2"}
    return sizes.get(side, "full-size-v2")


def _listed(folder: pathlib.Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    return (
        ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") or "nothing"
    )
