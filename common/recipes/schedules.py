"""Learning-rate schedules: the factor on the optimizer's learning rate.

A schedule's `factor(epoch=, step=, steps_per_epoch=, history=)` is a pure function of where the
training stands and of the epochs behind it, so a resumed run needs no schedule state. `history` is
a list with one dict per finished epoch; epochs and steps count from 0.
"""

import bisect
import dataclasses
import itertools
from typing import Any

from common.errors import UsageError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Constant:
    """The same factor throughout."""

    value: float

    def factor(self, **now: Any) -> float:
        """`value`, whatever the epoch."""
        return self.value


@dataclasses.dataclass(frozen=True, kw_only=True)
class ByEpoch:
    """A staircase: `factors[i]` from epoch `starts[i]` on.

    Attributes:
        starts: Ascending, the first is 0.
        factors: One for each start.
    """

    starts: tuple[int, ...]
    factors: tuple[float, ...]

    def __post_init__(self):
        starts, factors = self.starts, self.factors
        rising = all(a < b for a, b in itertools.pairwise(starts))
        if starts[:1] != (0,) or not rising or len(starts) != len(factors):
            raise UsageError(
                "A staircase needs ascending starts from 0 and a factor for each. Received: "
                f"starts={starts}, factors={factors}"
            )

    def factor(self, *, epoch: int, **now: Any) -> float:
        """The factor of the stair that `epoch` stands on."""
        return self.factors[bisect.bisect_right(self.starts, epoch) - 1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ByStep(ByEpoch):
    """The same staircase over updates: from update `starts[i]` on."""

    def factor(self, *, step: int, **now: Any) -> float:
        """The factor of the stair that `step` stands on."""
        return super().factor(epoch=step)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EveryEpochs:
    """The rate times `times` after each `epochs` epochs."""

    epochs: int
    times: float

    def factor(self, *, epoch: int, **now: Any) -> float:
        """To the power of the whole periods gone by."""
        return self.times ** (epoch // self.epochs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scaled:
    """Another schedule, all of it times `times`."""

    times: float
    schedule: Any

    def factor(self, **now: Any) -> float:
        """`times` the other's factor."""
        return self.times * self.schedule.factor(**now)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarmUp:
    """`factor_before` until a metric has once been low enough, then `then`.

    He et al. 2015, Sec. 4.2: "0.01 to warm up the training until the training error is below 80%".
    Looked at after each epoch; `then` counts epochs and updates from the start of the training.

    Attributes:
        metric: A key of the history.
        below: In the metric's units.
        then: A schedule.
    """

    factor_before: float
    metric: str
    below: float
    then: Any

    def factor(self, *, history: list, **now: Any) -> float:
        """See the class."""
        if not any(row[self.metric] < self.below for row in history):
            return self.factor_before
        return self.then.factor(history=history, **now)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DivideOnPlateau:
    """Divide by `divisor` when a metric has stopped improving.

    An epoch improves if it is by more than `min_delta` lower than the last that did, or is the
    first after a drop; after `patience` epochs in a row that do not, the rate drops, `max_drops`
    times at the most.

    Attributes:
        metric: A key of the history, lower is better.
        min_delta: In the metric's units.
    """

    divisor: float
    patience: int
    max_drops: int
    metric: str
    min_delta: float

    def factor(self, *, history: list, **now: Any) -> float:
        """1 / divisor ** (drops that the history calls for)."""
        return self.divisor ** -self.drops([h[self.metric] for h in history])

    def drops(self, values: list[float]) -> int:
        """How often `values`, one per finished epoch, have stalled."""
        best, stalled, drops = float("inf"), 0, 0
        for value in values:
            if value < best - self.min_delta:
                best, stalled = value, 0
            else:
                stalled += 1
            if stalled == self.patience and drops < self.max_drops:
                best, stalled, drops = float("inf"), 0, drops + 1
        return drops
