"""Logistic regression on a data set's thumbnails: what a network there has to beat."""

import dataclasses
import importlib.metadata
import pathlib
import re
import sys

from absl.flags import FlagValues

import reproductions
from common.data import catalog
from common.training.run_record import command, commit_of, now, versions
from launch.commands.names import read_data_set
from launch.report import baseline_records
from launch.report.error_counts import percent
from launch.settings.flags import share, switch
from launch.settings.options import short_name
from launch.terminal.display import Counting
from launch.terminal.quiet import quiet

SEED = 0  # of the folds


USAGE = "baseline DATASET"
FLAGS = share("data_dir") | {"record": switch("keep the result in reproductions/baselines.toml")}


def run(words: list[str], flags: FlagValues) -> int:
    """Prints the error and keeps it if asked to; exit code 0.

    Raises:
        UsageError: if there is no such data set.
        RunError: if it is not there, or damaged.
    """
    name = read_data_set(USAGE, words)
    if flags.record:
        reproductions.require_repository("baseline --record")
    where = str(pathlib.Path(flags.data_dir).expanduser())
    counting = Counting()
    found = catalog.find(name, data_dir=where, progress=counting.show)
    counting.clear()
    source = catalog.open_source(found, where)
    for note in found.notes:
        print(note, file=sys.stderr)
    with quiet():
        from common.evaluation import thumbnail_baseline

        thumbnail_baseline.tf.config.list_logical_devices()  # starts TensorFlow
    measured = thumbnail_baseline.measure(source, SEED, counting.show)
    counting.clear()
    print(
        f"{source.dataset.title}: logistic regression on thumbnails of "
        f"{thumbnail_baseline.SIDE}x{thumbnail_baseline.SIDE} pixels, C = {measured.c:g} by "
        f"{thumbnail_baseline.FOLDS} folds of {source.dataset.splits['train']:,} "
        f"training images ({measured.folds_error:.2f} %): "
        f"{percent(measured.wrong, measured.num_images)} error on "
        f"{measured.num_images:,} images ({source.dataset.test_split})."
    )
    if flags.record:
        about, read = source.dataset, source.fingerprint()
        packages = versions() | {"scikit-learn": importlib.metadata.version("scikit-learn")}
        row = {
            "data": _without_place(about.name),
            "split": about.test_split,
            "read": _without_place(read["name"]),
            "sha256": read["sha256"],
            "train_images": about.splits["train"],
            **dataclasses.asdict(measured),
            "top1_error": round(100 * measured.wrong / measured.num_images, 4),
            "seed": SEED,
            "command": re.sub(r" --data_dir[ =]\S+", "", command()),
            "commit": commit_of(reproductions.REPOSITORY),
            "versions": [f"{package} {version}" for package, version in packages.items()],
            "finished": now(),
        }
        file = baseline_records.file()
        file.add([row])
        print(f"{file.path} has it.")
    return 0


def _without_place(name: str) -> str:
    """A data set's name, of a folder only its last part."""
    return f"folder:{short_name(name)}" if name.startswith("folder:") else name
