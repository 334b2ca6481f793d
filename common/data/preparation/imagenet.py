"""Where ImageNet's images lie: in tars, in folders, in parquet files.

A validation image's label goes by the number in its name, never by its place
among the others: a file that is missing shifts nothing.
"""

import functools
import io
import os
import pathlib
import re
import tarfile
from collections.abc import Callable, Iterable

from common.data.imagenet import WNIDS, devkit_ids
from common.data.preparation.archives import Member, members, parquet_rows
from common.data.preparation.expected import validation_labels
from common.data.preparation.raw_images import (
    IMAGES_PER_SHARD,
    Original,
    Originals,
    mix_by_name,
    remembered,
)
from common.data.processes import Each
from common.data.sources.folder import SPLITS, is_image, of_tools
from common.errors import RunError

_DEVKIT = "ILSVRC2012_devkit_t12"
_GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_META = "meta.mat"
_TARS = {"train": "ILSVRC2012_img_train.tar", "validation": "ILSVRC2012_img_val.tar"}
_ROOTS = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC")  # Kaggle's
_FOLDERS = {
    "train": ("train", "ILSVRC2012_img_train"),
    "validation": ("val", "validation", "ILSVRC2012_img_val"),
}
_NAME = re.compile(  # Hugging Face puts the class behind the name
    r"(?P<stem>(?P<wnid>n\d{8})_\w+?|ILSVRC2012_val_(?P<number>\d{8}))"
    r"(_n\d{8})?\.(JPEG|jpeg|jpg|JPG|png|PNG)"
)
_LABEL = {wnid: label for label, wnid in enumerate(WNIDS)}
Found = Iterable[tuple[str, str, str, int, int, int]]
# (class by where it lies or "", name, path, offset, bytes, changed)


def find(
    source: pathlib.Path, each: Each, notes: pathlib.Path, progress: Callable[[str, int, int], None]
) -> Originals:
    """All images that are there, with labels in the order of WNIDS.

    Args:
        source: The folder with the downloads.
        each: As common.data.processes.workers gives it.
        notes: The folder for what takes long to find.
        progress: Called with what is done, how much of it, and of how much.

    Raises:
        RunError: if there are none, or a name, place and label disagree.
    """
    labels = validation_labels()
    _require_known_labels(source, labels)
    layout, splits, ignored = [], {}, []
    tables = sorted(
        path
        for path in source.glob("**/*.parquet")
        if not any(map(of_tools, path.relative_to(source).parts))
    )
    if tables:
        layout, splits = [f"parquet files in {source}"], _in_parquet(source, tables, each, labels)
    for split in _TARS if not tables else ():
        places = [source / root / name for root in _ROOTS for name in _FOLDERS[split]]
        if (source / _TARS[split]).is_file():
            place = source / _TARS[split]
            found = _in_tar(split, place, each, notes, progress)
        elif place := next(filter(pathlib.Path.is_dir, places), None):
            found = _in_folder(place, each, notes)
        else:
            continue
        layout.append(str(place))
        splits[split] = _label(split, found, ignored, labels)
    if not layout:
        raise RunError(
            f"{source} has no ImageNet that is known here: neither "
            f"{' and '.join(_TARS.values())}, nor the folders train and val "
            "(also as Kaggle's ILSVRC/Data/CLS-LOC), nor parquet files."
        )
    return Originals(
        layout=" and ".join(layout),
        classes=WNIDS,
        splits=splits,
        images_per_shard=IMAGES_PER_SHARD,
        ignored=ignored,
    )


def _in_tar(
    split: str, path: pathlib.Path, each: Each, notes: pathlib.Path, progress: Callable
) -> Found:
    """The images of a tar file, or of the class tars in it."""

    def look_inside() -> list[tuple]:
        outer = members(path)
        inner = [m for m in outer if split == "train" and _is_class_tar(m[0])]
        found = [("", *member) for member in outer if member not in set(inner)]
        tasks = [(path, at, size) for _, at, size in inner]
        for done, (place, images) in enumerate(each(members, tasks), 1):
            wnid = pathlib.PurePosixPath(inner[place][0]).stem
            found.extend((wnid, *image) for image in images)
            progress("looking into the class tars", done, len(inner))
        return found

    changed = path.stat().st_mtime_ns
    for folder, name, at, size in remembered(notes, "members", path, look_inside):
        yield folder, name, str(path), at, size, changed


def _is_class_tar(name: str) -> bool:
    return name.endswith(".tar") and not any(map(of_tools, pathlib.PurePosixPath(name).parts))


def _in_folder(folder: pathlib.Path, each: Each, notes: pathlib.Path) -> Found:
    """Of class folders, class tars, or (validation) of a flat folder."""
    entries = sorted(folder.iterdir())
    inside = [e for e in entries if e.is_dir() and not of_tools(e.name)]
    archives = [e for e in entries if e.suffix == ".tar" and e.stem in _LABEL and e.is_file()]
    for archive in archives:
        changed, look_inside = archive.stat().st_mtime_ns, functools.partial(members, archive)
        for name, at, size in remembered(notes, "members", archive, look_inside):
            yield archive.stem, name, str(archive), at, size, changed
    for place, files in each(_list_files, [(entry,) for entry in inside]):
        for name, changed, size in files:
            yield inside[place].name, name, str(inside[place] / name), 0, size, changed
    for name, changed, size in _list_files(folder):
        if folder / name in archives:
            continue
        yield "", name, str(folder / name), 0, size, changed


def _list_files(folder: pathlib.Path) -> list[Member]:
    """(name, mtime in ns, bytes) of the files in a folder, by name."""
    with os.scandir(folder) as entries:
        files = [(e.name, e.stat()) for e in entries if e.is_file()]
    return sorted((n, s.st_mtime_ns, s.st_size) for n, s in files)


def _label(split: str, found: Found, ignored: list[str], labels: list[int]) -> list[Original]:
    """The images among what was found, in the order of writing."""
    images = {}
    for folder, name, path, at, size, changed in found:
        if not is_image(name):
            ignored.append(f"{path}: {name}" if at else path)
            continue
        own, label = _identify(split, folder, name, path, labels)
        if own in images:
            raise RunError(
                f"There are two images called {own}: in {images[own].path} and "
                f"in {path}. Remove one of them."
            )
        images[own] = Original(own, label, path, "bytes", at, size, changed)
    if split == "train":
        return mix_by_name(images.values())
    return [images[name] for name in sorted(images)]


def _identify(split: str, folder: str, name: str, path: str, labels: list[int]) -> tuple[str, int]:
    """(its own name, label); where it lies and what it is called agree."""
    match = _NAME.fullmatch(pathlib.PurePosixPath(name).name)
    by_name = match and match["wnid"]
    if match and match["number"]:
        number = int(match["number"])
        if not 1 <= number <= len(labels):
            raise RunError(f"{path} has an image {name}: no such number.")
        by_name = WNIDS[labels[number - 1]]
    wrong_split = match and (match["number"] is None) != (split == "train")
    if wrong_split or (by_name and folder and by_name != folder):
        raise RunError(
            f"{name} lies in {path}, as {split} image of the class "
            f"{folder or '(none)'}; by its name it belongs to {by_name}. The "
            "files are mixed up: prepare from the official tars."
        )
    wnid = by_name or folder
    if wnid not in _LABEL:
        raise RunError(
            f"{path} has {name}, whose class is "
            f"{wnid or 'told neither by its name nor by a folder'}; ImageNet's "
            "1,000 classes have folders such as n01440764."
        )
    return (f"{match['stem']}.JPEG" if match else f"{folder}/{name}"), _LABEL[wnid]


def _in_parquet(
    source: pathlib.Path, tables: list[pathlib.Path], each: Each, labels: list[int]
) -> dict[str, list[Original]]:
    """By split; rows keep their order, so their classes must not come in blocks."""
    splits: dict[str, list[Original]] = {}
    rows = dict(each(parquet_rows, [(table,) for table in tables]))
    for place, table in enumerate(tables):
        split = SPLITS.get(table.name.partition("-")[0]) or SPLITS.get(table.parent.name)
        if split not in _TARS:
            continue
        changed = table.stat().st_mtime_ns
        for i, (path, label) in enumerate(rows[place]):
            wnid = WNIDS[label] if 0 <= label < len(WNIDS) else "none"
            name = pathlib.PurePosixPath(path).name or f"row{i:06d}.JPEG"
            own, known = _identify(split, wnid, name, str(table), labels)
            own = own if path else f"{table.stem}/{name}"
            image = Original(own, known, str(table), "parquet", i, 0, changed)
            splits.setdefault(split, []).append(image)
    train = [image.label for image in splits.get("train", [])]
    alike = sum(one == other for one, other in zip(train, train[1:], strict=False))
    if 2 * alike > len(train) > 1:
        raise RunError(
            f"The training rows of the parquet files in {source} are sorted by class, and a "
            "training would see the classes in blocks. Use Hugging Face's ILSVRC/imagenet-1k, "
            "whose rows are mixed, or the official tars."
        )
    return splits


def _require_known_labels(source: pathlib.Path, known: list[int]) -> None:
    """Compares the devkit's validation labels, if they are there, with those that are known.

    Raises:
        RunError: if they differ; names the first that does.
    """
    where, data = _read_devkit(source, _GROUND_TRUTH)
    if data is None:
        return
    label_of = {number: label for label, number in enumerate(devkit_ids())}
    try:
        labels = [label_of.get(int(line), -1) for line in data.split()]
    except ValueError as error:
        raise RunError(f"{where} is no list of labels: {error}.") from error
    pairs = enumerate(zip(labels, known, strict=False), 1)
    differ = [number for number, (one, other) in pairs if one != other]
    if differ or len(labels) != len(known):
        first = f", first of image {differ[0]}" if differ else ""
        raise RunError(
            f"{where} has {len(labels):,} labels; {len(differ):,} are not the validation "
            f"set's{first}. The file may number the classes otherwise than the devkit (1 .. 1000 "
            "in the devkit's own order). Take it away: the labels are known without it."
        )


def training_counts(source: pathlib.Path) -> dict[str, int] | None:
    """Training images of each WNID by the devkit's meta.mat, if it is there.

    Raises:
        RunError: if the file is not the devkit's.
    """
    where, data = _read_devkit(source, _META)
    if data is None:
        return None
    import scipy.io

    try:
        synsets = scipy.io.loadmat(io.BytesIO(data), squeeze_me=True)["synsets"]
        counts = {str(row["WNID"]): int(row["num_train_images"]) for row in synsets}
        return {wnid: counts[wnid] for wnid in WNIDS if counts.get(wnid)}
    except Exception as error:  # SciPy raises whatever a damaged file leads to
        raise RunError(
            f"{where} is not the devkit's table of classes: {error!r}. "
            "Download the devkit again, or take it away."
        ) from error


def _read_devkit(source: pathlib.Path, name: str) -> tuple[str, bytes | None]:
    """(where, content) of the devkit's file of that name; None if it is not there."""
    for place in (source, source / _DEVKIT / "data"):
        if (place / name).is_file():
            return str(place / name), (place / name).read_bytes()
    archive = source / f"{_DEVKIT}.tar.gz"
    try:
        with tarfile.open(archive) as tar:  # read within, never unpacked
            for member in tar:
                if member.isreg() and member.name.endswith(f"/{name}"):
                    return f"{archive} ({member.name})", tar.extractfile(member).read()
    except FileNotFoundError:
        pass
    except (tarfile.TarError, OSError, EOFError) as error:
        raise RunError(
            f"{archive} is damaged: {error}. Download it again, or take it away."
        ) from error
    return "", None
