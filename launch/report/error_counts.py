"""Wrong images counted, and as text with Wilson's interval."""

import dataclasses
import re
from typing import TYPE_CHECKING

from common.data import imagenet
from common.evaluation.metrics import wilson, wrong
from common.lazy import np

if TYPE_CHECKING:
    from common.evaluation.predictions import Predictions

VALIDATION = re.compile(r"ILSVRC2012_val_(\d{8})\b")


@dataclasses.dataclass(frozen=True)
class Count:
    """Errors on `n` images; `wrong5` is None with five classes or fewer."""

    n: int
    wrong1: int
    wrong5: int | None

    def cells(self) -> list[str]:
        """Wrong images and error rates, top-1 and top-5."""
        top1 = [f"{self.wrong1:,}", percent(self.wrong1, self.n)]
        if self.wrong5 is None:
            return [*top1, "", ""]
        return [*top1, f"{self.wrong5:,}", percent(self.wrong5, self.n)]


def percent(errors: int, n: int, digits: int = 2) -> str:
    """2.99 % (2.89 to 3.10), with Wilson's 95 % interval."""
    shares = (errors / n, *wilson(errors, n))
    error, low, high = (f"{100 * share:.{digits}f}" for share in shares)
    return f"{error} % ({low} to {high})"


@dataclasses.dataclass(frozen=True, eq=False)
class Missed:
    """Which images are wrong, (N,) bool; `top5` is None as in Count."""

    top1: "np.ndarray"
    top5: "np.ndarray | None"

    def count(self) -> Count:
        """How many."""
        wrong5 = None if self.top5 is None else int(self.top5.sum())
        return Count(n=len(self.top1), wrong1=int(self.top1.sum()), wrong5=wrong5)

    def of(self, kept: "np.ndarray") -> "Missed":
        """Of the images where `kept`, (N,) bool, is true."""
        top5 = None if self.top5 is None else self.top5[kept]
        return Missed(self.top1[kept], top5)


def missed(scores: "np.ndarray", labels: "np.ndarray") -> Missed:
    """By scores (N, C); ties as common.evaluation.metrics has them."""
    many = scores.shape[1] > 5
    return Missed(wrong(scores, labels, 1), wrong(scores, labels, 5) if many else None)


def without_blacklist(predictions: "Predictions") -> "np.ndarray | None":
    """(N,) bool: the 48,238 images of ImageNet's validation set.

    None for any other set of images.
    """
    # Also where the files lie in folders of their classes.
    found = [VALIDATION.match(name.rpartition("/")[2]) for name in predictions.ids.tolist()]
    if len(found) != 50_000 or not all(found):
        return None
    numbers = np.array([int(match[1]) for match in found])
    return ~np.isin(numbers, list(imagenet.blacklist()))
