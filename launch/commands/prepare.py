"""Downloads into records that TFDS reads, every hash, count and repair on record."""

import logging
import os
import pathlib
import signal
import sys
from typing import Any

from absl.flags import FlagValues

from common.data import catalog
from common.data.dataset import MANIFEST, read_manifest, shrunk_to
from common.data.preparation.expected import OFFICIAL, from_file
from common.data.preparation.prepare import Request, prepare
from common.errors import RunError, UsageError
from launch.commands.names import read_data_set
from launch.settings.flags import path, share, switch, whole
from launch.terminal.display import Counting
from launch.terminal.exits import STOPPED, as_called
from launch.terminal.quiet import quiet

SHOWN = 5  # repaired files that are named on the screen
_WHAT = {
    "mnist": "its four files, {train,t10k}-{images-idx3,labels-idx1}-ubyte.gz "
    "(11 MB, https://storage.googleapis.com/cvdf-datasets/mnist/)",
    "cifar10": "cifar-10-binary.tar.gz or cifar-10-python.tar.gz (163 MB, "
    "https://www.cs.toronto.edu/~kriz/cifar.html)",
    "cifar100": "cifar-100-binary.tar.gz or cifar-100-python.tar.gz (161 MB, "
    "https://www.cs.toronto.edu/~kriz/cifar.html), or its images as PNG files, "
    "train/CLASS/*.png and test/CLASS/*.png",
    "svhn": "train_32x32.mat and test_32x32.mat (250 MB), and extra_32x32.mat "
    "(1.3 GB) if that is wanted (http://ufldl.stanford.edu/housenumbers/)",
    "imagenette": "imagenette2-160.tgz, unpacked: the folder that has train "
    "and val in it (95 MB, https://github.com/fastai/imagenette)",
    "imagenet2012": "ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar (145 "
    "GB; register at https://image-net.org/download), or the folders train "
    "and val, or Hugging Face's parquet files",
}
_TFDS = {"imagenette": "imagenette/160px-v2", "svhn": "svhn_cropped"}

USAGE = "prepare DATASET --source DIR [--shorter_side N]; or prepare DATASET --download"
FLAGS = {
    "source": path("the folder with the downloads (tars, folders, parquet files)"),
    "shorter_side": whole(
        "shrink larger images once to so many pixels; default: as they are", low=32, high=65_500
    ),
    "jobs": whole("processes; default: all cores", low=1),
    "counts": path('JSON of what a part of a data set has, {"train": {"n01440764": 1300}, ...}'),
    "leave_out_bad": switch("go on without files that are no whole images, on record"),
    "download": switch("let TFDS download a small set"),
} | share("data_dir")


def run(words: list[str], flags: FlagValues) -> int:
    """Prepares a data set and says what was done; exit code."""
    name = read_data_set(USAGE, words)
    data_dir = pathlib.Path(flags.data_dir).expanduser()
    if flags.download and name in _WHAT and name != "imagenet2012":
        return _download(name, data_dir)
    if flags.download or not flags.source:
        raise UsageError(_what_to_fetch(name))
    plain = name.isidentifier() and name.isascii() and name.islower()
    if not plain or name == "sample":
        raise UsageError(
            f"{name!r} is no name for a data set that is prepared: "
            f"{', '.join(_WHAT)}, or a name of yours in lower case (a-z, 0-9, "
            "_) for a folder of class folders."
        )
    # SVHN's extra images may be left out: doctor says so.
    expected = None if name == "svhn" else OFFICIAL.get(name)
    if flags.counts:
        expected = from_file(flags.counts)
    request = Request(
        name=name,
        source=flags.source,
        data_dir=data_dir,
        expected=expected,
        shorter_side=flags.shorter_side,
        jobs=flags.jobs or len(os.sched_getaffinity(0)),
        leave_out_bad=flags.leave_out_bad,
    )
    with quiet():  # its import's log lines; not what follows
        import tensorflow_datasets  # noqa: F401
    counting = Counting()
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        folder = prepare(request, counting.show)
    except (KeyboardInterrupt, SystemExit):
        counting.clear()
        print("Stopped. What was finished is kept: the same command continues.", file=sys.stderr)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        counting.clear()
    _tell(name, folder, read_manifest(folder))
    return 0


def _stop(signum: int, frame: Any) -> None:
    """Nothing has to be written first: a shard is finished or not there."""
    raise SystemExit(STOPPED)


def _what_to_fetch(name: str) -> str:
    what = _WHAT.get(name, "a folder with train/CLASS/*.jpg and val/CLASS/*.jpg")
    online = ""
    if name in _WHAT and name != "imagenet2012":
        online = f" Or let TFDS download it: python -m launch prepare {name} --download."
    return (
        f"prepare {name} needs {what}. Put it into a folder and say: python "
        f"-m launch prepare {name} --source FOLDER.{online}"
    )


def _tell(name: str, folder: pathlib.Path, manifest: dict) -> None:
    sizes = ", ".join(f"{n:,} {s}" for s, n in manifest["splits"].items())
    print(f"{folder} is ready: {sizes}.")
    known = name in catalog.names()
    if known and catalog.is_another(catalog.find(name), manifest["splits"]):
        print(f"That is not the whole of {name}: results say so.")
    if side := shrunk_to(manifest):
        print(f"Shrunk to a shorter side of {side} pixels.")
    for what in ("repaired", "left_out"):
        files = manifest[what]
        if files:
            print(f"{len(files):,} {what.replace('_', ' ')}:")
        for file, why in list(files.items())[:SHOWN]:
            print(f"  {file}: {why}")
        if len(files) > SHOWN:
            print(f"  ... and {len(files) - SHOWN:,} more")
    if manifest["turned_by_exif"]:
        print(
            f"{manifest['turned_by_exif']:,} ask by EXIF to be turned; they "
            "are as they were stored, as the papers used them."
        )
    for note in manifest.get("notes", ()):
        print(note)
    if manifest["ignored"] and not manifest.get("notes"):
        print(f"{len(manifest['ignored']):,} files that are no images ignored.")
    print(f"{folder / MANIFEST} has every hash, count and repair.")
    told = f"python -m launch doctor {name if known else f'tfds:{name}'} --data_dir ... checks it."
    print(as_called(told))


def _download(name: str, data_dir: pathlib.Path) -> int:
    """By TFDS's own builder, because the user said so."""
    with quiet():
        import tensorflow_datasets as tfds
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # of each retry
    try:
        builder = tfds.builder(_TFDS.get(name, name), data_dir=data_dir)
        builder.download_and_prepare()
    except Exception as error:  # whatever its network library raises
        raise RunError(
            f"TFDS could not download {name}: {error!r}. Fetch "
            f"{_WHAT[name]} by hand, then say: python -m launch prepare {name} "
            "--source FOLDER."
        ) from error
    print(f"{builder.data_dir} is ready, prepared by TFDS.")
    return 0
