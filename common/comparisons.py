"""Whether two predictors that saw the same images differ, and how alike."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class McNemar:
    """McNemar's exact test of two predictors on the same images.

    Attributes:
        only_first: Images that only the first has wrong.
        only_second: Images that only the second has wrong.
        p: Two-sided: of a split at least as uneven if each image that only
            one has wrong were as likely the one's as the other's.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """From (N,) bool, True where an image is wrong."""
    from scipy.special import bdtr

    a, b = int((first & ~second).sum()), int((second & ~first).sum())
    p = min(1.0, 2 * float(bdtr(min(a, b), a + b, 0.5))) if a + b else 1.0
    return McNemar(only_first=a, only_second=b, p=p)


def error_correlation(wrong: np.ndarray) -> np.ndarray:
    """(M, M) Pearson correlation of (M, N) bool; NaN where none is wrong."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(wrong.astype(np.float64))
