"""The file of ILSVRC's test server from a prediction file, and its score."""

import pathlib

from absl.flags import FlagValues

from common.data import imagenet
from common.errors import UsageError
from common.evaluation.predictions import read
from launch.commands.ensemble import COUNTS
from launch.report.error_counts import Count
from launch.settings.flags import path
from launch.terminal.new_files import require_new
from launch.terminal.tables import show
from reproductions.ilsvrc2016 import submission_file

VALIDATION_IMAGES = 50_000


USAGE = "submission FILE.npz --out GUESSES.txt; or submission GUESSES.txt GROUND_TRUTH.txt"
FLAGS = {"out": path("a new text file, the guesses")}


def run(words: list[str], flags: FlagValues) -> int:
    """Writes a prediction file's five guesses, or scores guesses; 0.

    Raises:
        UsageError: for other words, or predictions that are not of ImageNet.
        RunError: if a file is damaged, or the two are of different images.
    """
    paths = [pathlib.Path(word).expanduser() for word in words]
    if flags.out and len(paths) == 1:
        require_new(flags.out, "--out")
        predictions = read(paths[0])
        first = submission_file.write(flags.out, predictions)
        print(
            f"{flags.out}: {submission_file.GUESSES} guesses for each of "
            f"{len(predictions.ids):,} images, {first} first; the "
            "boxes are placeholders."
        )
    elif not flags.out and len(paths) == 2:
        found = {"All": submission_file.score(*paths)}
        if found["All"].num_images == VALIDATION_IMAGES:  # as `ensemble` does
            kept = submission_file.score(*paths, left_out=imagenet.blacklist())
            found["Without the blacklist"] = kept
        rows = []
        for title, score in found.items():
            count = Count(score.num_images, score.top1_errors, score.top5_errors)
            rows.append([title, f"{count.n:,}", *count.cells()])
        show("", ["", ">images", *COUNTS], rows)
    else:
        raise UsageError(
            "submission takes a prediction file and what to write, or guesses "
            f"and the devkit's ground truth: python -m launch {USAGE}."
        )
    return 0
