"""Which images are wrong, and how sure an error rate is.

Importing this module imports no NumPy, which `report` does without.
"""

import math

from common.errors import RunError
from common.lazy import np

BOTH_SIDES_95 = 1.959964  # standard normal quantile at 97.5 %


def wrong(scores: "np.ndarray", labels: "np.ndarray", k: int) -> "np.ndarray":
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


def best(scores: "np.ndarray", k: int) -> "np.ndarray":
    """(N, k): the k best classes of each image, best first; ties and errors as `wrong`."""
    _require_numbers(scores)
    return (-scores).argsort(axis=1, kind="stable")[:, :k]


def _require_numbers(scores: "np.ndarray") -> None:
    images, labels = (scores != scores).nonzero()
    if len(images):
        raise RunError(
            f"Image {images[0]} has no number as the score of class {labels[0]} (both counted "
            f"from 0; {len(images)} scores are NaN): the network's weights, or its arithmetic, "
            "are broken."
        )


def wilson(errors: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of the share errors / n, (low, high)."""
    p, z = errors / n, BOTH_SIDES_95
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    reach = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    return max(centre - reach, 0.0), min(centre + reach, 1.0)
