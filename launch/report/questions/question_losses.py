"""What the training loss of a recipe holds, in words and bounds."""

import dataclasses
import math
from typing import Any

from common.recipes.losses import SmoothedCrossEntropy, SoftmaxCrossEntropy, WithAuxiliary


@dataclasses.dataclass(frozen=True)
class LossBounds:
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


def describe_loss(loss: Any, classes: int) -> LossBounds | None:
    """What a recipe's loss is; None if it is no form of cross-entropy."""
    if isinstance(loss, WithAuxiliary):
        main = describe_loss(loss.main, classes)
        if main is None:
            return None
        heads = f"with {loss.weight:g} of that of {loss.heads} auxiliary head"
        heads += "s" * (loss.heads > 1)
        scale = 1 + loss.weight * loss.heads
        more = ", ".join(filter(None, (main.more, heads)))
        return LossBounds(more, scale * main.least, scale * main.guessing)
    if isinstance(loss, SmoothedCrossEntropy) and loss.smoothing:
        other = loss.smoothing / classes
        own = 1 - loss.smoothing + other
        least = -own * math.log(own) - (classes - 1) * other * math.log(other)
        more = f"labels smoothed by {loss.smoothing:g}"
        return LossBounds(more, least, math.log(classes))
    if isinstance(loss, SoftmaxCrossEntropy | SmoothedCrossEntropy):
        return LossBounds("", 0.0, math.log(classes))
    return None
