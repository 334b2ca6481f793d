"""Image files laid out as PATH/SPLIT/CLASS/*.{jpg,jpeg,png}.

Or as PATH/WNID/*: photographs that a network of ImageNet's classes is tried on.
The order is that of tfds.ImageFolder, which is not used itself because it
offers no random access. Importing this module imports no TensorFlow.
"""

import os
import pathlib
import random

from common.data.imagenet import WNIDS

Listing = dict[str, list[tuple[str, str]]]

_SUFFIXES = (".jpg", ".jpeg", ".png")


def list_images(root: pathlib.Path) -> Listing:
    """(path relative to root, class) of each image of each split."""
    splits, folders = {}, _folders(root)
    if folders and set(folders) <= set(WNIDS):
        splits["test"] = ""
    else:
        splits = {name: name for name in folders}
    listing = {}
    for split, place in splits.items():
        images = [
            (os.path.join(place, label, file), label)
            for label in _folders(root / place)
            for file in sorted(os.listdir(root / place / label))
            if file.lower().endswith(_SUFFIXES)
        ]
        if images:
            random.Random(split).shuffle(images)
            listing[split] = images
    return listing


def class_names(listing: Listing) -> tuple[str, ...]:
    """The classes of all splits, sorted: a class's place is its label.

    Of `only_tests_imagenet`, all of ImageNet's.
    """
    if only_tests_imagenet(listing):
        return WNIDS
    return tuple(sorted(_classes(listing)))


def only_tests_imagenet(listing: Listing) -> bool:
    """Whether nothing trains on it, and all its classes are ImageNet's."""
    classes = _classes(listing)
    return "train" not in listing and bool(classes) and classes <= set(WNIDS)


def _classes(listing: Listing) -> set[str]:
    return {label for images in listing.values() for _, label in images}


def _folders(root: pathlib.Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
