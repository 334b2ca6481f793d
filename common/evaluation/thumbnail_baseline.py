"""What a network has to beat: logistic regression on 8x8 thumbnails."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from common.data.dataset import Source
from common.data.images.decoder import decode
from common.data.sharding import parallel_map
from common.errors import RunError, UsageError, tensorflow_message

SIDE = 8
FOLDS = 5
CHOICES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)  # of C
STEPS = 1000  # of L-BFGS at most; it ends by itself much earlier

# Called with (what is being done, how much is done, how much there is).
Told = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Baseline:
    """A fitted regression, measured.

    Attributes:
        c: Of CHOICES, the inverse strength of the L2 penalty, with the lowest error over the
            folds of the training images; the smallest of ties.
        folds_error: That error, percent.
        wrong: Test images with another label than theirs.
        num_images: Test images.
    """

    c: float
    folds_error: float
    wrong: int
    num_images: int


def measure(source: Source, seed: int, told: Told) -> Baseline:
    """Chooses C and fits on the train split; counts on the test split.

    Args:
        source: See common.data.catalog.open_source.
        seed: Of the folds.
        told: What shows how far it has come.

    Raises:
        UsageError: if a class has fewer training images than there are folds.
        RunError: if a file is damaged.
    """
    images, labels = read(source, "train", told)
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2 or counts.min() < FOLDS:
        raise UsageError(
            f"{source.dataset.name} has {len(labels)} training images of {len(classes)} classes, "
            f"{counts.min()} of the rarest; the baseline needs two classes and {FOLDS} images of "
            "each."
        )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    parts = list(folds.split(images, labels))
    wrong, fits = dict.fromkeys(CHOICES, 0), len(CHOICES) * FOLDS + 1
    for done, c in enumerate(CHOICES):
        for fold, (kept, left) in enumerate(parts):
            told("fitting", done * FOLDS + fold, fits)
            fitted = _fit(c, images[kept], labels[kept])
            wrong[c] += _wrong(fitted, images[left], labels[left])
    best = min(CHOICES, key=lambda c: wrong[c])
    told("fitting", fits - 1, fits)
    fitted = _fit(best, images, labels)
    tests = read(source, source.dataset.test_split, told)
    return Baseline(
        c=best,
        folds_error=100 * wrong[best] / len(labels),
        wrong=_wrong(fitted, *tests),
        num_images=len(tests[1]),
    )


def read(source: Source, split: str, told: Told) -> tuple[np.ndarray, np.ndarray]:
    """(thumbnails, labels): (N, 64 * channels) float64, 0 .. 255, and (N,).

    The whole image, whatever its shape, by TensorFlow's triangle filter, as wide as the
    shrinking asks for.
    """
    channels = source.dataset.channels

    def shrink(record: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
        encoded = record["image"]
        image = tf.cond(
            tf.io.is_jpeg(encoded),
            lambda: decode(encoded, channels, jpeg=True),
            lambda: decode(encoded, channels, jpeg=False),
        )
        return tf.image.resize(image, (SIDE, SIDE), antialias=True), record["label"]

    total, found = source.dataset.splits[split], []
    try:
        for batch in parallel_map(source.records(split), shrink).batch(250):
            found.append([part.numpy() for part in batch])
            told(f"reading {split}", min(250 * len(found), total), total)
    except tf.errors.OpError as error:
        raise RunError(
            f"{source.dataset.name}, split {split!r} in {source.where}, cannot be read: "
            f"{source.damage(split) or tensorflow_message(error)} Prepare the data set again. "
            f"{source.dataset.how_to_get}"
        ) from error
    images, labels = (np.concatenate(p) for p in zip(*found, strict=True))
    return images.reshape(len(images), -1).astype(np.float64), labels


def _fit(c: float, images: np.ndarray, labels: np.ndarray) -> Any:
    """Multinomial, on features of mean 0 and variance 1.

    In one thread: with several, and other work on the cores, it took 70 times as long, and its
    sums depend on their number.
    """
    regression = LogisticRegression(C=c, max_iter=STEPS)
    with threadpool_limits(1):
        return make_pipeline(StandardScaler(), regression).fit(images, labels)


def _wrong(fitted: Any, images: np.ndarray, labels: np.ndarray) -> int:
    return int((fitted.predict(images) != labels).sum())
