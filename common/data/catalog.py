"""The data sets: what exists, how large it is, and how to obtain it.

Importing this module imports no TensorFlow.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

from common.data.dataset import DataSet, TrainingSource, read_manifest
from common.data.sources import folder
from common.errors import RunError, UsageError, did_you_mean

_DOWNLOAD = (
    "`python -m launch prepare {} --download` lets TFDS fetch it ({}); with "
    "--source FOLDER it is made from files that you have."
)

_KNOWN = (
    DataSet(
        name="mnist",
        title="MNIST",
        num_classes=10,
        channels=1,
        splits={"train": 60_000, "test": 10_000},
        test_split="test",
        tfds_names=("mnist",),
        how_to_get=_DOWNLOAD.format("mnist", "11 MB"),
    ),
    DataSet(
        name="cifar10",
        title="CIFAR-10",
        num_classes=10,
        channels=3,
        splits={"train": 50_000, "test": 10_000},
        test_split="test",
        tfds_names=("cifar10",),
        how_to_get=_DOWNLOAD.format("cifar10", "163 MB"),
    ),
    DataSet(
        name="cifar100",
        title="CIFAR-100",
        num_classes=100,
        channels=3,
        splits={"train": 50_000, "test": 10_000},
        test_split="test",
        tfds_names=("cifar100",),
        how_to_get=_DOWNLOAD.format("cifar100", "161 MB"),
    ),
    DataSet(
        name="svhn",
        title="SVHN (cropped digits)",
        num_classes=10,
        channels=3,
        splits={"train": 73_257, "test": 26_032, "extra": 531_131},
        test_split="test",
        tfds_names=("svhn_cropped",),
        how_to_get=_DOWNLOAD.format("svhn", "1.5 GB"),
    ),
    DataSet(
        name="imagenette",
        title="Imagenette (160 px)",
        num_classes=10,
        channels=3,
        splits={"train": 9_469, "validation": 3_925},
        test_split="validation",
        tfds_names=("imagenette160_s", "imagenette/160px-v2"),
        how_to_get=_DOWNLOAD.format("imagenette", "95 MB"),
    ),
    DataSet(
        name="imagenet2012",
        title="ImageNet (ILSVRC-2012)",
        num_classes=1000,
        channels=3,
        splits={"train": 1_281_167, "validation": 50_000},
        test_split="validation",
        tfds_names=("imagenet2012",),
        how_to_get=(
            "Get both tar files from image-net.org, then run `python -m launch "
            "prepare imagenet2012 --source DIR --data_dir DATA_DIR`."
        ),
    ),
    DataSet(
        name="sample",
        title="synthetic shapes (sample)",
        num_classes=10,
        channels=3,
        splits={"train": 1_000, "test": 200},
        test_split="test",
        tfds_names=("sample_shapes",),
        how_to_get="It is drawn here when it is first used.",
    ),
    DataSet(
        name="sample",
        title="UCI handwritten digits (sample)",
        num_classes=10,
        channels=1,
        splits={"train": 1_437, "test": 360},
        test_split="test",
        tfds_names=("sample_digits",),
        how_to_get="It is written from scikit-learn when it is first used.",
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
        raise UsageError(
            f"There is no data set called {name!r}.{hint} Known: {', '.join(names())}."
        )
    grey_first = sorted(found, key=lambda dataset: dataset.channels)
    return grey_first[0] if channels == 1 else grey_first[-1]


@dataclasses.dataclass(frozen=True)
class NotHere:
    """A data set that is known and not at hand: enough for a plan.

    Attributes:
        dataset: Its row of the catalogue, with the sizes as published.
        where: For messages.
    """

    dataset: DataSet
    where: str = "(not here; sizes as published)"
    image_shape: None = None
    jpeg: None = None


def is_missing(dataset: DataSet, data_dir: str | None) -> bool:
    """Whether a set of a known name is not prepared here."""
    if dataset.name == "sample" or ":" in dataset.name:
        return False
    try:
        builder_dir(dataset, data_dir)
    except RunError:
        return True
    return False


def open_source(
    dataset: DataSet, data_dir: str | None = None, cache_dir: str | None = None
) -> TrainingSource:
    """The records of a data set.

    Nothing is ever downloaded. "sample" is made in `cache_dir` if it is not
    there yet (seconds).

    Raises:
        RunError: if the data set is missing; says how to get it.
    """
    from common.data.sources import folder_source, sample, tfds  # list does without

    if dataset.name.startswith("folder:"):
        root = _folder_path(dataset.name)
        return folder_source.FolderSource(dataset, root, cache_dir or default_cache_dir())
    if dataset.name == "sample":
        root = sample.prepare(dataset.tfds_names[0], cache_dir or default_cache_dir())
    else:
        root = builder_dir(dataset, data_dir)
    return tfds.RecordSource(_measure(dataset, root), root)


def _measure(dataset: DataSet, root: pathlib.Path) -> DataSet:
    """The catalogue's row with the sizes that are there, in its title too."""
    splits, title = _read_info(root)["splits"], dataset.title
    if dataset.splits and splits != dataset.splits:
        sizes = " + ".join(f"{size:,}" for size in splits.values())
        title += f", another set of {sizes} images ({root.parent.name})"
    if side := (read_manifest(root) or {}).get("shorter_side"):
        title += f", shrunk to a shorter side of {side}"
    return dataclasses.replace(dataset, splits=splits, title=title)


def default_cache_dir() -> str:
    """Where what can be computed again is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "classic-convnets")


def builder_dir(dataset: DataSet, data_dir: str | None) -> pathlib.Path:
    """The folder of the newest version that TFDS has prepared.

    Raises:
        RunError: if there is none; says how to get it.
    """
    root = pathlib.Path(
        data_dir or os.environ.get("TFDS_DATA_DIR") or os.path.expanduser("~/tensorflow_datasets")
    )
    for name in dataset.tfds_names:
        infos = (root / name).glob("*/dataset_info.json")
        versions = [info.parent for info in infos]
        if versions:
            return max(versions, key=_version)
    raise RunError(
        f"The data set {dataset.name!r} ({dataset.title}) is not under {root}: there is no "
        f"{' or '.join(dataset.tfds_names)}/VERSION prepared by TFDS in it. {dataset.how_to_get} "
        "Nothing was downloaded. To try without it: --data sample --set epochs=1."
    )


def _version(folder: pathlib.Path) -> tuple[int, ...]:
    parts = folder.name.split(".")
    return tuple(int(part) if part.isdigit() else -1 for part in parts)


def _read_info(folder: pathlib.Path) -> dict[str, Any]:
    """Split sizes, classes and channels from TFDS's own metadata.

    Raises:
        RunError: if it is damaged, or of no image classification set.
    """
    try:
        info = json.loads((folder / "dataset_info.json").read_text())
        sizes = {split["name"]: sum(map(int, split["shardLengths"])) for split in info["splits"]}
        features = json.loads((folder / "features.json").read_text())
        features = features.get("featuresDict", {}).get("features", {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{folder} is no data set as TFDS prepares them: its dataset_info.json or "
            f"features.json is missing or damaged ({error}). Prepare it again."
        ) from error
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


def _test_split(name: str, splits: dict[str, int], trains: bool = True) -> str:
    measured = [s for s in ("validation", "val", "test") if splits.get(s)]
    if not measured or (trains and not splits.get("train")):
        raise RunError(
            f"{name} has the splits {', '.join(splits) or '(none)'}; it needs 'train', and one of "
            "'validation', 'val' and 'test', with images in both."
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

    found = folder_source.read_folder(root, default_cache_dir(), progress=progress)
    listing, notes = found.listing, found.notes
    splits = {split: len(images) for split, images in listing.items()}
    trains = not folder.only_tests_imagenet(listing)
    try:
        test_split = _test_split(name, splits, trains)
    except RunError as error:
        told = " ".join((str(error), f"The layout is {layout}.", *notes))
        raise RunError(told) from None
    return DataSet(
        name=name,
        title=root.name,
        num_classes=len(folder.class_names(listing)),
        channels=3,
        splits=splits,
        test_split=test_split,
        tfds_names=(),
        how_to_get=f"Lay it out as {layout}.",
        notes=notes,
    )
