"""Momentum with weight costs that differ from layer to layer; imports no TensorFlow."""

import dataclasses
import re
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class SgdWithCosts:
    """v <- momentum v - rate (g + wc w); w <- w + v (weights.cu).

    Attributes:
        costs: (regular expression, wc): the first that is found in a
            variable's path gives its wc; the others have none.
    """

    learning_rate: float
    momentum: float
    nesterov: bool
    costs: tuple[tuple[str, float], ...]

    def build(self, **shared: Any):
        """The Keras optimizer; `shared` as common.training.optimizers.Shared takes."""
        from common.training.optimizers import MomentumSgd

        costs = self.costs

        class Costly(MomentumSgd):
            def build(self, variables):
                super().build(variables)
                self.costs = [_cost_of(v.path, costs) for v in variables]

            def update_step(self, gradient, variable, learning_rate):
                cost = self.costs[self._get_variable_index(variable)]
                if cost:
                    gradient = gradient + cost * variable
                super().update_step(gradient, variable, learning_rate)

        return Costly(self.momentum, nesterov=self.nesterov, **shared)


def _cost_of(path: str, costs: tuple[tuple[str, float], ...]) -> float:
    found = (cost for pattern, cost in costs if re.search(pattern, path))
    return next(found, 0.0)
