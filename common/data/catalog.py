"""The data sets: what exists, how large it is, and how to obtain it."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

from common.data.dataset import DataSet, Source, TrainingSource, read_manifest, shrunk_to
from common.data.sources import folder
from common.errors import RunError, UsageError, did_you_mean
from common.files import default_data_dir

_DOWNLOADS = {"mnist": "11 MB", "cifar10": "163 MB", "cifar100": "161 MB", "svhn": "1.5 GB"}
_DOWNLOADS["imagenette"] = "95 MB"
_HOW_TO_GET = {
    **{
        name: f"`python -m launch prepare {name} --download` lets TFDS fetch it ({size}); "
        "with --source FOLDER it is made from files that you have."
        for name, size in _DOWNLOADS.items()
    },
    "imagenet2012": "Get both tar files from image-net.org, then run `python -m launch "
    "prepare imagenet2012 --source DIR --data_dir DATA_DIR`.",
    "sample_shapes": "It is drawn here when it is first used.",
    "sample_digits": "It is written from scikit-learn when it is first used.",
}


def _known(
    name: str, title: str, num_classes: int, channels: int, *tfds_names: str, **splits: int
) -> DataSet:
    """A row of the catalogue; the second split is tested on."""
    return DataSet(
        name=name,
        title=title,
        num_classes=num_classes,
        channels=channels,
        splits=splits,
        test_split=tuple(splits)[1],
        tfds_names=tfds_names,
        how_to_get=_HOW_TO_GET.get(name) or _HOW_TO_GET[tfds_names[0]],
    )


_KNOWN = (
    _known("mnist", "MNIST", 10, 1, "mnist", train=60_000, test=10_000),
    _known("cifar10", "CIFAR-10", 10, 3, "cifar10", train=50_000, test=10_000),
    _known("cifar100", "CIFAR-100", 100, 3, "cifar100", train=50_000, test=10_000),
    _known(
        "svhn",
        "SVHN (cropped digits)",
        10,
        3,
        "svhn_cropped",
        train=73_257,
        test=26_032,
        extra=531_131,
    ),
    _known(
        "imagenette",
        "Imagenette (160 px)",
        10,
        3,
        "imagenette160_s",
        "imagenette/160px-v2",
        train=9_469,
        validation=3_925,
    ),
    _known(
        "imagenet2012",
        "ImageNet (ILSVRC-2012)",
        1000,
        3,
        "imagenet2012",
        train=1_281_167,
        validation=50_000,
    ),
    _known("sample", "synthetic shapes (sample)", 10, 3, "sample_shapes", train=1_000, test=200),
    _known(
        "sample", "UCI handwritten digits (sample)", 10, 1, "sample_digits", train=1_437, test=360
    ),
)
ALSO = {"imagenet": "imagenet2012"}  # what people call it


def names() -> tuple[str, ...]:
    """What users may type, the two open-ended forms last."""
    known = dict.fromkeys(dataset.name for dataset in _KNOWN)
    return (*known, "folder:PATH", "tfds:NAME")


def find(
    name: str,
    channels: int = 3,
    data_dir: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> DataSet:
    """The data set of that name; only open-ended names touch the disk.

    Args:
        name: One of `names()`. Of "folder:" every file is looked at, once.
        channels: Of the recipe: 1 makes "sample" the digits.
        data_dir: Where "tfds:NAME" is looked for.
        progress: Called with what is being done, how much of it, and of how much.

    Raises:
        UsageError: if there is none of that name; names what is nearest.
        RunError: if a "folder:" or "tfds:" set is not where it should be.
    """
    name = ALSO.get(name, name)
    kind, _, rest = name.partition(":")
    if rest and kind == "folder":
        return _find_folder(name, rest, progress)
    if rest and kind == "tfds":
        return _find_prepared(name, rest, data_dir)
    found = [dataset for dataset in _KNOWN if dataset.name == name]
    if not found:
        hint = did_you_mean(name, names())
        if pathlib.Path(name).expanduser().is_dir():
            hint = f" A folder of images is called folder:{name}."
        elif data_dir and (pathlib.Path(data_dir).expanduser() / name).is_dir():
            hint = f" What was prepared under a name of its own is tfds:{name}."
        raise UsageError(
            f"There is no data set called {name!r}.{hint} Known: {', '.join(names())}."
        )
    grey_first = sorted(found, key=lambda dataset: dataset.channels)
    return grey_first[0] if channels == 1 else grey_first[-1]


@dataclasses.dataclass(frozen=True)
class NotHere(Source):
    """A data set that is known, with its sizes as published, and not at hand: for a plan."""

    dataset: DataSet
    where: str = "(not here; sizes as published)"


def is_missing(dataset: DataSet, data_dir: str | None) -> bool:
    """Whether a set of a known name is not prepared here."""
    try:
        require_here(dataset, data_dir)
    except RunError:
        return True
    return False


def require_here(dataset: DataSet, data_dir: str | None) -> None:
    """Raises a RunError, which says how to get it, if a set of a known name is not prepared."""
    if dataset.name != "sample" and ":" not in dataset.name:
        builder_dir(dataset, data_dir)


def open_source(dataset: DataSet, data_dir: str | None = None) -> TrainingSource:
    """The records of a data set that `find` found.

    Nothing is ever downloaded. "sample" is made in the cache if it is not
    there yet (seconds).

    Raises:
        RunError: if the data set is missing; says how to get it.
    """
    from common.data.sources import folder_source, sample, tfds  # list does without

    if dataset.name.startswith("folder:"):
        return folder_source.FolderSource(dataset, _folder_path(dataset.name))
    if dataset.name == "sample":
        root = sample.prepare(dataset.tfds_names[0])
    else:
        root = builder_dir(dataset, data_dir)
    return tfds.RecordSource(_measure(dataset, root), root)


def _measure(dataset: DataSet, root: pathlib.Path) -> DataSet:
    """The catalogue's row with the sizes that are there, in its title too."""
    splits, title = _read_info(root)["splits"], dataset.title
    if is_another(dataset, splits):
        sizes = " + ".join(f"{size:,}" for size in splits.values())
        title += f", another set of {sizes} images ({root.parent.name})"
    if side := shrunk_to(read_manifest(root)):
        title += f", shrunk to a shorter side of {side}"
    return dataclasses.replace(dataset, splits=splits, title=title)


def is_another(dataset: DataSet, splits: dict[str, int], but: float = 0.0) -> bool:
    """Whether there are not as many images to train or to test on as in the catalogue's row.

    Args:
        but: What share of a split may be missing.
    """
    used = ((s, dataset.splits[s]) for s in ("train", dataset.test_split) if s in dataset.splits)
    return any(abs(splits.get(split, n) - n) > but * n for split, n in used)


def builder_dir(dataset: DataSet, data_dir: str | None) -> pathlib.Path:
    """The folder of the newest version that TFDS has prepared.

    Raises:
        RunError: if there is none; says how to get it.
    """

    def version(folder: pathlib.Path) -> list[int]:
        return [int(part) if part.isdigit() else -1 for part in folder.name.split(".")]

    root = pathlib.Path(data_dir or os.path.expanduser(default_data_dir()))
    for name in dataset.tfds_names:
        versions = [info.parent for info in (root / name).glob("*/dataset_info.json")]
        if versions:
            return max(versions, key=version)
    raise RunError(
        f"The data set {dataset.name!r} ({dataset.title}) is not under {root}: there is no "
        f"{' or '.join(dataset.tfds_names)}/VERSION prepared by TFDS in it. {dataset.how_to_get} "
        "Nothing was downloaded."
    )


def _read_info(folder: pathlib.Path) -> dict[str, Any]:
    """Split sizes, classes and channels from TFDS's own metadata.

    Raises:
        RunError: if it is damaged, or of no image classification set.
    """
    try:
        info = json.loads((folder / "dataset_info.json").read_text())
        stored_as = info.get("fileFormat", "tfrecord")
        sizes = {split["name"]: sum(map(int, split["shardLengths"])) for split in info["splits"]}
        features = json.loads((folder / "features.json").read_text())
        features = features.get("featuresDict", {}).get("features", {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{folder} is no data set as TFDS prepares them: its dataset_info.json or "
            f"features.json is missing or damaged ({error}). Prepare it again."
        ) from error
    if stored_as != "tfrecord":
        raise RunError(
            f"{folder} is stored as {stored_as}, and only tfrecord is read here. Prepare it again "
            "with `tfds build --file_format=tfrecord`, or choose another --data_dir."
        )
    if not {"image", "label"} <= features.keys():
        raise RunError(
            f"{folder} is not an image classification set: it has the features "
            f"{', '.join(sorted(features))}, and needs 'image' and 'label'. Choose another --data."
        )
    shape = features["image"]["image"].get("shape", {}).get("dimensions", [])
    return {
        "splits": sizes,
        "num_classes": int(features["label"]["classLabel"]["numClasses"]),
        "channels": 1 if shape[-1:] == ["1"] else 3,
    }


def _find_prepared(name: str, tfds_name: str, data_dir: str | None) -> DataSet:
    dataset = DataSet(
        name=name,
        title=tfds_name,
        num_classes=0,
        channels=3,
        splits={},
        test_split="",
        tfds_names=(tfds_name,),
        how_to_get=f"tensorflow_datasets.load({tfds_name!r}) prepares it, "
        "which may be large; pass the same --data_dir.",
    )
    info = _read_info(builder_dir(dataset, data_dir))
    return dataclasses.replace(dataset, **info, test_split=_test_split(name, info["splits"]))


def _test_split(name: str, splits: dict[str, int], trains: bool = True, hint: str = "") -> str:
    measured = [s for s in ("validation", "val", "test") if splits.get(s)]
    if not measured or (trains and not splits.get("train")):
        raise RunError(
            f"{name} has the splits {', '.join(splits) or '(none)'}; it needs 'train', and one of "
            f"'validation', 'val' and 'test', with images in both.{hint}"
        )
    return measured[0]


def _folder_path(name: str) -> pathlib.Path:
    return pathlib.Path(name.partition(":")[2]).expanduser()


def _find_folder(name: str, path: str, progress: Callable | None) -> DataSet:
    layout = "PATH/CLASS/*.jpg or PATH/{train,validation}/CLASS/*.jpg"
    root = _folder_path(name)
    if not root.is_dir():
        raise RunError(f"{name}: there is no folder {path}. Give one laid out as {layout}.")
    from common.data.sources import folder_source

    found = folder_source.read_folder(root, progress=progress)
    listing, notes = found.listing, found.notes
    splits = {split: len(images) for split, images in listing.items()}
    trains = not folder.only_tests_imagenet(listing)
    hint = " ".join(("", f"The layout is {layout}.", *notes))
    return DataSet(
        name=name,
        title=root.name,
        num_classes=len(folder.class_names(listing)),
        channels=3,
        splits=splits,
        test_split=_test_split(name, splits, trains, hint),
        how_to_get=f"Lay it out as {layout}.",
        notes=notes,
        folders=found,
    )
