"""What is wrong with a prediction file, or between two, in words."""

from typing import Any

import numpy as np

ARRAYS = ("ids", "labels", "classes", "scores")


def difference(first: Any, other: Any) -> str | None:
    """The first thing in which two `Predictions` are not of the same images.

    None if they are.
    """
    for kind in ("ids", "classes", "labels"):
        if not np.array_equal(getattr(first, kind), getattr(other, kind)):
            return _difference(kind, first, other)
    return None


def _difference(kind: str, first: Any, other: Any) -> str:
    a, b = getattr(first, kind), getattr(other, kind)
    if kind == "labels":
        i = int(np.argmax(a != b))
        return f"the image {first.ids[i]} has the label {a[i]} in the one and {b[i]} in the other"
    things = {"ids": "images", "classes": "classes"}[kind]
    alone = sorted(set(a.tolist()) ^ set(b.tolist()))
    if alone:
        where = "first" if alone[0] in a else "second"
        return (
            f"they have {len(a):,} and {len(b):,} {things}, and {alone[0]!r} is in the {where} only"
        )
    i = int(np.argmax(a != b))
    return (
        f"their {things} are in different orders: number {i + 1} is "
        f"{str(a[i])!r} in the one, {str(b[i])!r} in the other"
    )


def fault(predictions: Any) -> str | None:
    """What makes a `Predictions` unusable; None if nothing does."""
    return _bad_shape(predictions) or _bad_value(predictions)


def _bad_shape(predictions: Any) -> str | None:
    kinds = "".join(getattr(predictions, name).dtype.kind for name in ARRAYS)
    if kinds != "UiUf" or predictions.scores.dtype != np.float32:
        return "ids and classes must be text, labels integers, scores float32"
    ids, labels, classes, scores = (getattr(predictions, name).shape for name in ARRAYS)
    if scores != (*ids, *classes) or labels != ids:
        return f"{ids} ids, {labels} labels and {classes} classes do not go with {scores} scores"
    return None


def _bad_value(predictions: Any) -> str | None:
    ids, labels, classes, scores = (getattr(predictions, name) for name in ARRAYS)
    if len(np.unique(classes)) != len(classes):
        return "a class is named twice"
    unordered = np.flatnonzero(ids[1:] <= ids[:-1])
    if len(unordered):
        i = unordered[0]
        return (
            f"the image {ids[i + 1]} follows {ids[i]}; each must be there once, in ascending order"
        )
    odd = (labels < -1) | (labels >= len(classes))
    if odd.any():
        i = int(np.argmax(odd))
        return f"{ids[i]} has the label {labels[i]} of {len(classes)} classes"
    bad = np.argwhere(~np.isfinite(scores))
    if len(bad):
        i, j = bad[0]
        return f"the score of {ids[i]} for {classes[j]} is {scores[i, j]}"
    return None
