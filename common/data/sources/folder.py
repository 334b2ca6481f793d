"""What is a class, what is an image: one rule for all that reads folders.

`folder:PATH`, `prepare` and `predict` go by it. A class is a folder of images:
PATH/SPLIT/CLASS; or PATH/CLASS, which `Layout.divide` divides; or PATH/WNID for
photographs that a network of ImageNet's classes is tried on. The order is that of
tfds.ImageFolder, which is not used itself because it offers no random access.
Importing this module imports no TensorFlow.
"""

import collections
import dataclasses
import os
import pathlib
import random
import re
from collections.abc import Iterable, Iterator

from common.data.imagenet import WNIDS
from common.errors import RunError

Listing = dict[str, list[tuple[str, str]]]  # split -> (path, class) of each image
Counts = dict[str, dict[str, int]]  # split -> class -> images

SUFFIXES = tuple(
    ".avif .bmp .gif .jfif .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp".split()
)
_TOOLS = frozenset(
    {"@eadir", "#recycle", "@recycle", "$recycle.bin", "__macosx", "lost+found", "__pycache__"}
    | {"system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
)
# A folder of such a name is no class.
SPLITS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
_LIKE_SPLITS = {*SPLITS, "training", "valid", "testing"}
# Of the hashes of files (hexadecimal), a fifth is below this.
_FIFTH = "3333"
DIVIDED = (
    "Divided here, for there is no folder train: the files whose hash (BLAKE2b) is in the "
    "lowest fifth are for tests, at least one of each class and not all"
)
_SHOWN = 3  # of many files or classes, in a sentence

# Why something is left out, as it follows a number.
OF_TOOLS = "hidden or of tools"
NO_IMAGE = "that by their names are no images"
BROKEN = "links that lead nowhere"
DEEPER = "images in folders inside of class folders"
OUTSIDE = "images outside of class folders"
DAMAGED = "images that cannot be used"


def of_tools(name: str) -> bool:
    """Whether a file or folder is a tool's: hidden, or known by its name.

    Such as .ipynb_checkpoints, AppleDouble's ._NAME, @eaDir, Thumbs.db.
    """
    return name.startswith(".") or name.lower() in _TOOLS


def is_image(path: str) -> bool:
    """Whether a file is an image by its name, and nothing on its way a tool's.

    Args:
        path: Relative to what was asked for, or inside of a tar.
    """
    parts = pathlib.PurePosixPath(path).parts
    return path.lower().endswith(SUFFIXES) and not any(map(of_tools, parts))


@dataclasses.dataclass(kw_only=True)
class Layout:
    """Folders of images as they were found; paths are relative to `root`."""

    root: pathlib.Path
    # Split -> class -> its images, sorted; [] of a folder that has none.
    images: dict[str, dict[str, list[str]]] = dataclasses.field(default_factory=dict)
    left_out: dict[str, list[str]] = dataclasses.field(default_factory=dict)  # why -> paths

    def leave_out(self, why: str, paths: Iterable[str]) -> None:
        """Notes paths that are not used."""
        for path in paths:
            self.left_out.setdefault(why, []).append(path)

    def sort_out(self, place: str) -> tuple[list[str], list[str]]:
        """(folders, images) in the folder `place`, by name; the rest is left out.

        Raises:
            RunError: if it cannot be read.
        """
        folders, images = [], []
        try:
            with os.scandir(self.root / place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise RunError(
                f"The folder {self.root / place} cannot be read: {error.strerror}."
            ) from error
        for entry in found:
            if why := _unusable(entry):
                self.leave_out(why, [os.path.join(place, entry.name)])
            else:
                (folders if entry.is_dir() else images).append(entry.name)
        return folders, images

    def listing(self) -> Listing:
        """(path relative to root, class) of each image, mixed, of each split that has any."""
        listing = {}
        for split, classes in self.images.items():
            images = [(path, label) for label, paths in classes.items() for path in paths]
            random.Random(split).shuffle(images)
            if images:
                listing[split] = images
        return listing

    def take_away(self, damaged: dict[str, str]) -> None:
        """Leaves out files that cannot be used: path -> why."""
        for classes in self.images.values():
            for label, paths in classes.items():
                classes[label] = [path for path in paths if path not in damaged]
        self.leave_out(DAMAGED, (f"{path} ({why})" for path, why in damaged.items()))

    def divide(self, digests: dict[str, str]) -> None:
        """Makes `test` of a fifth of `train`, by the files' hashes: path -> hexadecimal.

        A file's split is its own, whatever else is added, and copies of it share it; only
        what stands alone in `test` or `train` of its class may move to the other.
        """
        self.images["test"] = {}
        for label, paths in self.images["train"].items():
            found = sorted({digests[path] for path in paths})
            count = min(max(1, sum(d < _FIFTH for d in found)), len(found) - 1)
            tests = set(found[: max(0, count)])
            self.images["train"][label] = [p for p in paths if digests[p] not in tests]
            self.images["test"][label] = [p for p in paths if digests[p] in tests]

    def require_trained(self) -> None:
        """Raises a RunError if other splits have a class and train has not."""
        if wrong := find_untrained(self.counts()):
            raise RunError(f"{self.root}: {wrong} Mend the folder's name, or take it away.")

    def classes(self) -> tuple[str, ...]:
        """Those with an image in any split, sorted."""
        return tuple(label for label, total in _totals(self.counts()).items() if total)

    def counts(self) -> Counts:
        """Images of each class folder."""
        return {
            split: {label: len(paths) for label, paths in each.items()}
            for split, each in self.images.items()
        }

    def omissions(self) -> list[str]:
        """What is left out, how much of it, and examples, as sentences."""
        told = []
        for why, paths in self.left_out.items():
            kinds = ""
            if why == NO_IMAGE:
                ends = (os.path.splitext(path)[1].lower() or "no ending" for path in paths)
                shown = [f"{n:,} {end}" for end, n in collections.Counter(ends).most_common(5)]
                kinds = f" ({', '.join(shown)})"
            what = re.sub("^images", "image", why) if len(paths) == 1 else why
            told.append(f"Left out: {len(paths):,} {what}{kinds}: {_few(paths)}.")
        return told

    def notes(self) -> tuple[str, ...]:
        """What a person must know of what was taken and what was not."""
        return (*class_notes(self.counts()), *self.omissions())


def _unusable(entry: os.DirEntry) -> str | None:
    """Why it is neither a folder nor an image; None if it is."""
    if of_tools(entry.name):
        return OF_TOOLS
    try:
        if entry.is_dir() or (entry.is_file() and is_image(entry.name)):
            return None
        return BROKEN if entry.is_symlink() and not entry.is_file() else NO_IMAGE
    except OSError:  # links in a circle
        return BROKEN


def class_notes(counts: Counts) -> Iterator[str]:
    """What is odd about the classes of the splits, though it may be meant."""
    totals = _totals(counts)
    if empty := [label for label, total in totals.items() if not total]:
        yield f"{_classes(empty)} no image at all, and no class: {_few(empty)}."
    for split, each in counts.items():
        missing = [label for label, total in totals.items() if total and not each.get(label)]
        if missing and "train" in counts and any(each.values()):
            yield f"{_classes(missing)} no image in {split}: {_few(missing)}."
    if alike := [f"{a} and {b}" for a, b in _alike(totals)]:
        yield (
            "These classes differ by case, a plural or marks only, and are "
            f"taken as different ones: {_few(alike)}."
        )


def find_untrained(counts: Counts) -> str | None:
    """The classes that other splits have and train has not, as a sentence."""
    train, totals = counts.get("train", {}), _totals(counts)
    missing = [k for k, total in totals.items() if total and not train.get(k)]
    if not missing or not any(train.values()):
        return None
    splits = [s for s, each in counts.items() if any(map(each.get, missing))]
    near = {b: a for pair in _alike(totals) for a, b in (pair, pair[::-1])}
    hints = [f"{near[k]} for {k}" for k in missing if near.get(k) in train]
    meant = f" Was it meant to be {_few(hints)}?" if hints else ""
    return (
        f"{_classes(missing)} no image in train, but in {' and '.join(splits)}: {_few(missing)}. "
        f"Nothing can learn that, and each of its images would count as an error.{meant}"
    )


def _totals(counts: Counts) -> dict[str, int]:
    """Class -> images of all splits, by name."""
    totals = collections.Counter()
    for each in counts.values():
        totals.update(each)
    return dict(sorted(totals.items()))


def _alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs that are one name but for case, spaces, marks or a plural."""
    plain: dict[str, str] = {}
    pairs = []
    for name in names:
        key = re.sub(r"[\W_]+", "", name.casefold()) or name
        if key in plain:
            pairs.append((plain[key], name))
        plain.setdefault(key, name)
    for key, name in plain.items():
        for plural in (f"{key}s", f"{key}es"):
            if plural in plain and not key.isdigit():
                pairs.append((name, plain[plural]))
    return pairs


def _classes(names: list[str]) -> str:
    return "1 class has" if len(names) == 1 else f"{len(names):,} classes have"


def _few(things: list[str]) -> str:
    more = len(things) - _SHOWN
    shown = ", ".join(things[:_SHOWN])
    shown = shown.encode(errors="backslashreplace").decode()  # no UTF-8
    return f"{shown} and {more:,} more" if more > 0 else shown


def scan(root: pathlib.Path, places: dict[str, str]) -> Layout:
    """The class folders of some splits.

    Args:
        root: The folder that was asked for.
        places: Split -> its folder, relative to `root`.

    Raises:
        RunError: if a folder cannot be read or a name is no UTF-8; if a class
            has images only in folders of its own, or is in other splits and
            not in train.
    """
    layout = Layout(root=root)
    for split, place in places.items():
        folders, files = layout.sort_out(place)
        layout.leave_out(OUTSIDE, (os.path.join(place, f) for f in files))
        classes = {label: _of_class(layout, os.path.join(place, label)) for label in folders}
        layout.images[split] = classes
    layout.require_trained()
    return layout


def _of_class(layout: Layout, place: str) -> list[str]:
    """The images of a class folder; those in folders inside are left out."""
    folders, names = layout.sort_out(place)
    images = [os.path.join(place, name) for name in names]
    for path in (place, *images):
        try:
            path.encode()
        except UnicodeEncodeError:
            raise RunError(
                f"{layout.root} has a name that is no UTF-8, {os.fsencode(path)!r}: from an old "
                "archive, perhaps. Rename it (convmv does)."
            ) from None
    deeper = [
        os.path.relpath(os.path.join(above, file), layout.root)
        for folder in folders
        for above, _, files in os.walk(layout.root / place / folder)
        for file in sorted(files)
        if is_image(file)
    ]
    if deeper and not images:
        raise RunError(
            f"{layout.root / place} has no images itself, and {len(deeper):,} in folders inside "
            f"of it, such as {deeper[0]}. A class is a folder with its images in it, CLASS/*.jpg "
            "or SPLIT/CLASS/*.jpg with train, validation or test as SPLIT: move them up, or make "
            "the folders inside the classes."
        )
    layout.leave_out(DEEPER, deeper)
    return images


def find_layout(root: pathlib.Path) -> tuple[Layout, bool]:
    """The class folders, and whether they are still to be divided: all are in `train`.

    Raises:
        RunError: see `scan`; if the folder is itself one of images.
    """
    outside = Layout(root=root)
    folders, files = outside.sort_out("")
    if files and not folders:
        raise RunError(
            f"{root} has no folders, and images in itself, such as {_few(files[:1])}. A class is a "
            "folder of images: give the folder that the classes or the splits lie in."
        )
    if folders and not {name.lower() for name in folders} & _LIKE_SPLITS:
        tested = set(folders) <= set(WNIDS)
        return scan(root, {"test" if tested else "train": ""}), not tested
    layout = scan(root, {name: name for name in folders})
    layout.leave_out(OUTSIDE, files)
    for why, paths in outside.left_out.items():
        layout.leave_out(why, paths)
    return layout, False


def class_names(listing: Listing) -> tuple[str, ...]:
    """The classes of all splits, sorted: a class's place is its label.

    Of `only_tests_imagenet`, all of ImageNet's.
    """
    if only_tests_imagenet(listing):
        return WNIDS
    return tuple(sorted({label for images in listing.values() for _, label in images}))


def only_tests_imagenet(listing: Listing) -> bool:
    """Whether nothing trains on it, and all its classes are ImageNet's."""
    classes = {label for images in listing.values() for _, label in images}
    return "train" not in listing and bool(classes) and classes <= set(WNIDS)
