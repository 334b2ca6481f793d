"""What a network made of each image of a split: what is wrong, and how sure an error rate is."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from common.errors import RunError

BOTH_SIDES_95 = 1.959964  # standard normal quantile at 97.5 %


def wrong(scores: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """(N,) bool: which labels are not among the k best classes of their image.

    Of equal scores the lower class index is the better one, as in a stable sort by
    (-score, class).

    Args:
        scores: (N, C).
        labels: (N,), classes 0 .. C - 1.

    Raises:
        RunError: if a score is NaN, or a label not one of the classes.
    """
    _require_numbers(scores)
    classes = np.arange(scores.shape[1])
    odd = np.flatnonzero(~np.isin(labels, classes))
    if len(odd):
        raise RunError(
            f"Image {odd[0]} (counted from 0) has the label {labels[odd[0]]}, which is none of the "
            f"{len(classes)} classes: without labels no errors can be counted."
        )
    labels = labels[:, None]
    own = np.take_along_axis(scores, labels, axis=1)
    better = (scores > own) | ((scores == own) & (classes < labels))
    return better.sum(axis=1) >= k


def best(scores: np.ndarray, k: int) -> np.ndarray:
    """(N, k): the k best classes of each image, best first; ties and errors as `wrong`."""
    _require_numbers(scores)
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def _require_numbers(scores: np.ndarray) -> None:
    odd = np.argwhere(np.isnan(scores))
    if len(odd):
        image, label = odd[0]
        raise RunError(
            f"Image {image} has no number as the score of class {label} (both counted from 0; "
            f"{len(odd)} scores are NaN): the network's weights, or its arithmetic, are broken."
        )


def wilson(errors: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of the share errors / n, (low, high)."""
    p, z = errors / n, BOTH_SIDES_95
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    reach = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    return max(centre - reach, 0.0), min(centre + reach, 1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Of N images, in the data set's order.

    Attributes:
        ids: (N,) str, the images' file names.
        labels: (N,) int64.
        guesses: (N,) int64, the likeliest class; ties as `wrong`.
        missed: (N,) bool, whether the label is not among the five likeliest classes.
        losses: (N,) float, the recipe's loss.
        certain: (N, 2) float32, the probabilities of the guess and of the label's class.
    """

    ids: np.ndarray
    labels: np.ndarray
    guesses: np.ndarray
    missed: np.ndarray
    losses: np.ndarray
    certain: np.ndarray


def judge(ids: np.ndarray, labels: np.ndarray, scores: np.ndarray, losses: np.ndarray) -> Outcomes:
    """The outcomes of a batch with (N, C) scores, whose softmax are the probabilities."""
    guesses = scores.argmax(axis=1)
    two = np.take_along_axis(scores, np.stack([guesses, labels], axis=1), axis=1)
    highest = scores.max(axis=1, keepdims=True)
    certain = np.exp(two - highest) / np.exp(scores - highest).sum(axis=1, keepdims=True)
    missed = wrong(scores, labels, 5)
    return Outcomes(
        ids=ids, labels=labels, guesses=guesses, missed=missed, losses=losses, certain=certain
    )


def join(parts: Sequence[Outcomes]) -> Outcomes:
    """The outcomes of batches, one after the other."""
    names = [field.name for field in dataclasses.fields(Outcomes)]
    return Outcomes(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


def confusion(outcomes: Outcomes, classes: int) -> np.ndarray:
    """(classes, classes) int64: row i, column j counts images of i that were taken for j."""
    pairs = outcomes.labels * classes + outcomes.guesses
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def worst(outcomes: Outcomes, most: int) -> np.ndarray:
    """The places of the images with the highest losses, worst first; `most` at most."""
    return np.argsort(-outcomes.losses, kind="stable")[:most]
