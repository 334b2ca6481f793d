"""What a network made of each image of a split: what is wrong where, and how badly."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from common.evaluation.metrics import wrong


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
