"""What the training loss of a recipe holds, in words and bounds."""

import dataclasses
import math
from typing import Any

from common.recipes.losses import SmoothedCrossEntropy, SoftmaxCrossEntropy, WithAuxiliary


@dataclasses.dataclass(frozen=True)
class Held:
    """A loss: what besides cross-entropy it holds, and its bounds, in nats.

    Attributes:
        more: In words; empty for the plain cross-entropy.
        least: Which no network goes below.
        guessing: Of a network that knows nothing.
    """

    more: str
    least: float
    guessing: float

    def note(self) -> str:
        """For the table; empty for the plain cross-entropy."""
        if not self.more:
            return ""
        return f" ({self.more}: {self.least:.2f} at best, {self.guessing:.2f} by guessing)"


def held(loss: Any, classes: int) -> Held | None:
    """What a recipe's loss is; None if it is no form of cross-entropy."""
    if isinstance(loss, WithAuxiliary):
        main = held(loss.main, classes)
        if main is None:
            return None
        heads = f"with {loss.weight:g} of that of {loss.heads} auxiliary head"
        heads += "s" * (loss.heads > 1)
        scale = 1 + loss.weight * loss.heads
        more = ", ".join(filter(None, (main.more, heads)))
        return Held(more, scale * main.least, scale * main.guessing)
    if isinstance(loss, SmoothedCrossEntropy) and loss.smoothing:
        other = loss.smoothing / classes
        own = 1 - loss.smoothing + other
        least = -own * math.log(own) - (classes - 1) * other * math.log(other)
        more = f"labels smoothed by {loss.smoothing:g}"
        return Held(more, least, math.log(classes))
    if isinstance(loss, SoftmaxCrossEntropy | SmoothedCrossEntropy):
        return Held("", 0.0, math.log(classes))
    return None
