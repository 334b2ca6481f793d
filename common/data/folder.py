"""Image files laid out as PATH/SPLIT/CLASS/*.{jpg,jpeg,png}.

The order is that of tfds.ImageFolder, which is not used itself because it
offers no random access. Importing this module imports no TensorFlow.
"""

import os
import pathlib
import random

Listing = dict[str, list[tuple[str, str]]]

_SUFFIXES = (".jpg", ".jpeg", ".png")


def list_images(root: pathlib.Path) -> Listing:
    """(path relative to root, class) of each image of each split."""
    listing = {}
    for split in _folders(root):
        images = [
            (os.path.join(split, label, file), label)
            for label in _folders(root / split)
            for file in sorted(os.listdir(root / split / label))
            if file.lower().endswith(_SUFFIXES)
        ]
        if images:
            random.Random(split).shuffle(images)
            listing[split] = images
    return listing


def class_names(listing: Listing) -> tuple[str, ...]:
    """The classes of all splits, sorted: a class's place is its label."""
    return tuple(
        sorted({label for images in listing.values() for _, label in images})
    )


def _folders(root: pathlib.Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
