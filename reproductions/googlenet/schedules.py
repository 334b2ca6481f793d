"""The learning rate of BVLC's quick solver."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Polynomial:
    """start * (1 - updates made / updates) ** power; Caffe's "poly".

    Attributes:
        start: The factor of the first update.
        power: 0.5 falls slowly first and fast at the end.
        updates: After so many the factor is 0.
    """

    start: float
    power: float
    updates: int

    def factor(self, *, epoch: int, step: int, steps_per_epoch: int, history: list) -> float:
        """Of update `step`, counted from 0 at the start of the training."""
        left = max(0.0, 1 - step / self.updates)
        return self.start * left**self.power
