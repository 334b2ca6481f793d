"""Whether two predictors differ: on the same images, on others, over seeds."""

import dataclasses
import math
import statistics

from common.evaluation.metrics import wilson
from common.lazy import np

# Student's t at 97.5 % with 1, 2 ... degrees of freedom: SciPy's, which takes half a
# second to load.
# fmt: off
STUDENT = (
    12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157,
    2.228139, 2.200985, 2.178813, 2.160369, 2.144787, 2.13145, 2.119905, 2.109816, 2.100922,
    2.093024, 2.085963, 2.079614, 2.073873, 2.068658, 2.063899, 2.059539, 2.055529, 2.051831,
    2.048407, 2.04523, 2.042272,
)
# fmt: on


@dataclasses.dataclass(frozen=True, kw_only=True)
class McNemar:
    """McNemar's exact test of two predictors on the same images.

    Attributes:
        only_first: Images that only the first has wrong.
        only_second: Images that only the second has wrong.
        p: Two-sided: of a split at least as uneven if each image that only one has wrong
            were as likely the one's as the other's.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first: "np.ndarray", second: "np.ndarray") -> McNemar:
    """From (N,) bool, True where an image is wrong."""
    from scipy.special import bdtr

    a, b = int((first & ~second).sum()), int((second & ~first).sum())
    p = min(1.0, 2 * float(bdtr(min(a, b), a + b, 0.5))) if a + b else 1.0
    return McNemar(only_first=a, only_second=b, p=p)


def error_correlation(wrong: "np.ndarray") -> "np.ndarray":
    """(M, M) Pearson correlation of (M, N) bool; NaN where none is wrong."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(wrong.astype(np.float64))


def unpaired(first: tuple[float, int], second: tuple[float, int]) -> tuple[float, float]:
    """95 % interval of the difference, first - second, of two shares of different images.

    Newcombe 1998 (Statistics in Medicine 17, pp. 873-890), method 10: from Wilson's intervals.

    Args:
        first, second: (errors, images).
    """
    (low1, high1), (low2, high2) = wilson(*first), wilson(*second)
    p1, p2 = first[0] / first[1], second[0] / second[1]
    return (
        p1 - p2 - math.hypot(p1 - low1, high2 - p2),
        p1 - p2 + math.hypot(high1 - p1, p2 - low2),
    )


def paired(differences: list[float]) -> tuple[float, float]:
    """95 % interval of the mean of two or more differences, by Student's t."""
    mean, n = statistics.mean(differences), len(differences)
    reach = student(n - 1) / math.sqrt(n) * statistics.stdev(differences)
    return mean - reach, mean + reach


def student(freedom: int) -> float:
    """Student's t at 97.5 %."""
    if freedom <= len(STUDENT):
        return STUDENT[freedom - 1]
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
