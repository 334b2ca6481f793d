"""Where ImageNet's images lie: in tars, in folders, in parquet files.

A validation image's label goes by the number in its name, never by its place
among the others: a file that is missing shifts nothing.
"""

import io
import pathlib
import re
import tarfile
from collections.abc import Callable, Iterable
from typing import Any

from common.data.imagenet import WNIDS, devkit_ids
from common.data.preparation import folders, parquet, tars
from common.data.preparation.expected import VALIDATION, validation_labels
from common.data.preparation.file_cache import FileCache
from common.data.preparation.raw_images import Original, Originals, folder_files, mix_by_name, stamp
from common.data.processes import Each
from common.data.sources.folder import is_image, of_tools
from common.errors import RunError

_DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
_GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_META = "meta.mat"
TARS = {"train": "ILSVRC2012_img_train.tar", "validation": "ILSVRC2012_img_val.tar"}
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
    source: pathlib.Path, each: Each, cache: FileCache, progress: Callable[[str, int, int], None]
) -> Originals:
    """All images that are there, with labels in the order of WNIDS.

    Raises:
        RunError: if there are none, or a name, place and label disagree.
    """
    _require_known_labels(source, validation_labels())
    shards = sorted(
        path
        for path in source.glob("**/*.parquet")
        if not any(map(of_tools, path.relative_to(source).parts))
    )
    if shards:
        return _parquet(source, shards, each)
    layout, splits, ignored = [], {}, []
    for split in TARS:
        place = _place(source, split)
        if place is None:
            continue
        layout.append(str(place))
        if place.is_file():
            found = _in_tar(split, place, each, cache, progress)
        else:
            found = _in_folder(split, place, each, cache)
        splits[split] = _label(split, found, ignored)
    if not splits:
        raise RunError(
            f"{source} has no ImageNet that is known here: neither "
            f"{' and '.join(TARS.values())}, nor the folders train and val "
            "(also as Kaggle's ILSVRC/Data/CLS-LOC), nor parquet files."
        )
    return _originals(" and ".join(layout), splits, ignored)


def _originals(layout: str, splits: dict, ignored: list[str]) -> Originals:
    return Originals(
        layout=layout,
        classes=WNIDS,
        splits=splits,
        images_per_shard=folders.IMAGES_PER_SHARD,
        ignored=ignored,
    )


def _place(source: pathlib.Path, split: str) -> pathlib.Path | None:
    if (source / TARS[split]).is_file():
        return source / TARS[split]
    for root in _ROOTS:
        for name in _FOLDERS[split]:
            if (source / root / name).is_dir():
                return source / root / name
    return None


def _in_tar(
    split: str, path: pathlib.Path, each: Each, cache: FileCache, progress: Callable
) -> Found:
    """The images of a tar file, or of the class tars in it."""
    found = cache.get("members", path)
    if found is None:
        outer = tars.members(path)
        found = [["", *member] for member in outer]
        if split == "train":
            found = _in_class_tars(path, outer, each, progress)
        cache.put("members", path, found)
    changed = stamp(path)
    for folder, name, at, size in found:
        yield folder, name, str(path), at, size, changed


def _in_class_tars(path: pathlib.Path, outer: list, each: Each, progress: Callable) -> list:
    inner = [
        member
        for member in outer
        if member[0].endswith(".tar")
        and not any(map(of_tools, pathlib.PurePosixPath(member[0]).parts))
    ]
    found = [["", *member] for member in outer if member not in set(inner)]
    tasks = [(path, at, size) for _, at, size in inner]
    for done, (place, images) in enumerate(each(tars.members, tasks), 1):
        wnid = pathlib.PurePosixPath(inner[place][0]).stem
        found.extend([wnid, *image] for image in images)
        progress("looking into the class tars", done, len(inner))
    return found


def _in_folder(split: str, folder: pathlib.Path, each: Each, cache: FileCache) -> Found:
    """Of class folders, class tars, or (validation) of a flat folder."""
    entries = sorted(folder.iterdir())
    inside = [e for e in entries if e.is_dir() and not of_tools(e.name)]
    archives = [e for e in entries if e.suffix == ".tar" and e.stem in _LABEL]
    for archive in archives:
        members = cache.get("members", archive)
        if members is None:
            members = tars.members(archive)
            cache.put("members", archive, members)
        for name, at, size in members:
            yield archive.stem, name, str(archive), at, size, stamp(archive)
    tasks = [(entry,) for entry in inside]
    for place, files in each(folder_files, tasks):
        for name, changed, size in files:
            path = inside[place] / name
            yield inside[place].name, name, str(path), 0, size, changed
    for name, changed, size in folder_files(folder):
        if folder / name not in archives:
            yield "", name, str(folder / name), 0, size, changed


def _label(split: str, found: Found, ignored: list[str]) -> list[Original]:
    """The images among what was found, in the order of writing."""
    labels, images = validation_labels(), {}
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
    if (match and (match["number"] is None) != (split == "train")) or (
        by_name and folder and by_name != folder
    ):
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
    own = f"{match['stem']}.JPEG" if match else f"{folder}/{name}"
    return own, _LABEL[wnid]


def missing_validation(images: list[Original]) -> list[str]:
    """Names of the validation files that are not there."""
    there = {image.name for image in images}
    names = map(VALIDATION.format, range(1, 50_001))
    return [name for name in names if name not in there]


def _parquet(source: pathlib.Path, shards: list[pathlib.Path], each: Each) -> Originals:
    splits: dict[str, list[Original]] = {}
    labels = validation_labels()
    rows = dict(each(parquet.rows, [(shard,) for shard in shards]))
    for place, shard in enumerate(shards):
        split = shard.name.partition("-")[0]
        split = folders.SPLITS.get(split) or folders.SPLITS.get(shard.parent.name)
        if split not in TARS:
            continue
        for i, (path, label) in enumerate(rows[place]):
            wnid = WNIDS[label] if 0 <= label < len(WNIDS) else "none"
            name = pathlib.PurePosixPath(path).name or f"row{i:06d}.JPEG"
            own, known = _identify(split, wnid, name, str(shard), labels)
            own = own if path else f"{shard.stem}/{name}"
            image = Original(own, known, str(shard), "parquet", i, 0, stamp(shard))
            splits.setdefault(split, []).append(image)
    _require_mixed(source, splits.get("train", []))
    return _originals(f"parquet files in {source}", splits, [])


def _require_mixed(source: pathlib.Path, images: list[Original]) -> None:
    """Rows keep their order, so their classes must not come in blocks."""
    pairs = zip(images, images[1:], strict=False)
    same = sum(one.label == other.label for one, other in pairs)
    if 2 * same > len(images) > 1:
        raise RunError(
            f"The training rows of the parquet files in {source} are sorted by class, and a "
            "training would see the classes in blocks. Use Hugging Face's ILSVRC/imagenet-1k, "
            "whose rows are mixed, or the official tars."
        )


def _require_known_labels(source: pathlib.Path, known: list[int]) -> None:
    """Compares the devkit's validation labels with those that are known.

    Where there is no devkit there is nothing to compare.

    Raises:
        RunError: if they differ; names the first that does.
    """
    read = _read_devkit(source, _GROUND_TRUTH)
    if read is None:
        return
    where, data = read
    label_of = dict(zip(devkit_ids(), range(len(WNIDS)), strict=True))
    try:
        labels = [label_of.get(int(line), -1) for line in data.split()]
    except ValueError as error:
        raise RunError(f"{where} is no list of labels: {error}.") from error
    differ = [
        number
        for number, pair in enumerate(zip(labels, known, strict=False), 1)
        if pair[0] != pair[1]
    ]
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
    read = _read_devkit(source, _META)
    if read is None:
        return None
    import scipy.io

    where, data = read
    try:
        synsets = scipy.io.loadmat(io.BytesIO(data), squeeze_me=True)["synsets"]
        counts = {str(row["WNID"]): int(row["num_train_images"]) for row in synsets}
        return {wnid: counts[wnid] for wnid in WNIDS if counts.get(wnid)}
    except Exception as error:  # SciPy raises whatever a damaged file leads to
        raise RunError(
            f"{where} is not the devkit's table of classes: {error!r}. "
            "Download the devkit again, or take it away."
        ) from error


def _read_devkit(source: pathlib.Path, name: str) -> tuple[str, Any] | None:
    """(where, content) of the devkit's file of that name."""
    for place in (source, source / "ILSVRC2012_devkit_t12" / "data"):
        if (place / name).is_file():
            return str(place / name), (place / name).read_bytes()
    archive = source / _DEVKIT
    if not archive.is_file():
        return None
    try:
        with tarfile.open(archive) as tar:  # read within, never unpacked
            for member in tar:
                if member.isreg() and member.name.endswith(f"/{name}"):
                    where = f"{archive} ({member.name})"
                    return where, tar.extractfile(member).read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise RunError(
            f"{archive} is damaged: {error}. Download it again, or take it away."
        ) from error
    return None
