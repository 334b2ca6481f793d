"""The file that ILSVRC's test server takes, and its scoring.

A line for each image, in the order of the file names: up to five guesses, best
first, each `label xmin ymin xmax ymax`; labels are the devkit's ILSVRC2012_IDs,
1 .. 1000. An image is right if any of its five labels is (readme of the
ILSVRC2015 devkit); boxes count for the localisation error only, which is not
computed here.
"""

import pathlib
from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np

from common.data import imagenet
from common.errors import RunError, UsageError
from common.evaluation.metrics import best
from common.evaluation.predictions import Predictions
from common.files import write_text

GUESSES = 5
PLACEHOLDER = "0 0 1 1"  # for a box


class Score(NamedTuple):
    """Wrong images among those that count."""

    num_images: int
    top1_errors: int
    top5_errors: int


def write(path: pathlib.Path, predictions: Predictions) -> str:
    """Writes the five best classes of each image, with placeholders for their boxes.

    The order is that of the files' own names, whatever folders they lie in: those of classes
    would put them in another one than the ground truth's.

    Args:
        path: Replaced whole or not at all.
        predictions: Of ImageNet's classes, in the order of WNIDS, as
            common.evaluation.predictions reads them.

    Returns:
        The name of the first line's file.

    Raises:
        UsageError: if the classes are not ImageNet's, or two files have the same name.
    """
    if tuple(predictions.classes) != imagenet.WNIDS:
        raise UsageError(
            f"{path}: the test server takes ImageNet's 1,000 classes; these "
            f"predictions have {len(predictions.classes)} classes, "
            f"{predictions.classes[0]} first, not the WNIDs in their order."
        )
    names = [pathlib.PurePosixPath(name).name for name in predictions.ids.tolist()]
    if len(set(names)) < len(names):
        raise UsageError(
            f"{path}: the test server takes a line an image, in the order of the files' names, and "
            "two images of these predictions have the same: they are no images of its set."
        )
    order = sorted(range(len(names)), key=names.__getitem__)
    labels = np.array(imagenet.devkit_ids())[best(predictions.scores[order], GUESSES)]
    lines = (" ".join(f"{label} {PLACEHOLDER}" for label in row) for row in labels)
    write_text(path, "".join(f"{line}\n" for line in lines))
    return names[order[0]]


def read(path: pathlib.Path) -> np.ndarray:
    """(N, 5) int64: each line's labels, best first; 0 where it has fewer, the sixth left out.

    Raises:
        RunError: if a line is not of this form; names it.
    """
    found = []
    for where, numbers in _lines(path):
        if not numbers or len(numbers) % 5:
            raise RunError(
                f"{where} has {len(numbers)} numbers; it must have five for "
                "each guess: label xmin ymin xmax ymax."
            )
        labels = [_check_label(label, where) for label in numbers[: 5 * GUESSES : 5]]
        found.append(labels + [0] * (GUESSES - len(labels)))
    return np.array(found)


def read_truth(path: pathlib.Path) -> np.ndarray:
    """The devkit's ground truth, (N,) int64: a label on each line.

    Raises:
        RunError: if a line is no label; names it.
    """
    truth = []
    for where, numbers in _lines(path):
        if len(numbers) != 1:
            raise RunError(f"{where} has {len(numbers)} labels, not one.")
        truth.append(_check_label(numbers[0], where))
    return np.array(truth, np.int64)


def score(path: pathlib.Path, truth_path: pathlib.Path, *, left_out: Collection[int] = ()) -> Score:
    """Counts a file's errors.

    Args:
        path: See `read`.
        truth_path: See `read_truth`.
        left_out: Numbers of images, from 1, that do not count; for the
            validation set's 48,238, common.data.imagenet.blacklist().

    Raises:
        RunError: if a file is damaged, or the two are of different images.
    """
    labels, truth = read(path), read_truth(truth_path)
    if len(labels) != len(truth):
        raise RunError(
            f"{path} has {len(labels):,} images, {truth_path} has "
            f"{len(truth):,}: they are not of the same images."
        )
    counted = np.ones(len(truth), bool)
    counted[[number - 1 for number in left_out]] = False
    hits = (labels == truth[:, None])[counted]
    return Score(
        num_images=len(hits),
        top1_errors=int((~hits[:, 0]).sum()),
        top5_errors=int((~hits.any(axis=1)).sum()),
    )


def _lines(path: pathlib.Path) -> Iterator[tuple[str, list[float]]]:
    """(where it is, for errors; its numbers) of each line."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        where = f"{path}, line {number:,},"
        try:
            numbers = [float(word) for word in line.split()]
        except ValueError:
            raise RunError(f"{where} has something else than numbers: {line[:80]!r}") from None
        yield where, numbers


def _check_label(label: float, where: str) -> int:
    if label not in range(1, len(imagenet.WNIDS) + 1):
        raise RunError(f"{where} has the label {label:g}; labels are the devkit's ids, 1 to 1000.")
    return int(label)
