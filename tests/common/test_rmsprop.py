"""TensorFlow 1's RMSProp against a NumPy reading of its formula."""

import numpy as np
import pytest

from common.recipes.recipe import RmsProp as RmsPropOfRecipe
from common.recipes.recipe import WeightDecay
from common.training.optimizers import RmsProp, build_optimizer
from tests.common.test_optimizers import updated

# Inception-v3, Sec. 8: decay 0.9, epsilon 1.0; 0.9 is the release's momentum.
PAPER = dict(rho=0.9, momentum=0.9, epsilon=1.0)


def by_formula(gradients, rates, *, start, rho=0.9, momentum=0.9, epsilon=1.0):
    """`start` is the mean square's."""
    w, ms, mom, values = np.ones(2), np.full(2, start), np.zeros(2), []
    for g, rate in zip(gradients, rates, strict=True):
        ms = rho * ms + (1 - rho) * g**2
        mom = momentum * mom + rate * g / np.sqrt(ms + epsilon)
        w = w - mom
        values.append(w)
    return np.array(values)


def draws(steps=20):
    return np.random.default_rng(0).normal(size=(steps, 2))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("epsilon", [1.0, 1e-3])
def test_updates_are_tensorflow_1s(momentum, epsilon):
    # The rate drops half-way: it is inside the momentum.
    rates = [0.1] * 10 + [0.01] * 10
    constants = dict(rho=0.9, momentum=momentum, epsilon=epsilon)
    found = updated(RmsProp(**constants), draws(), [[r] for r in rates])
    wanted = by_formula(draws(), rates, start=1.0, **constants)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_clipping_decay_and_groups_come_before_the_rule():
    optimizer = RmsProp(**PAPER, decay=(0.1, "kernel"), clip_global_norm=1.0, groups=["bias"])
    found = updated(optimizer, [[3.0, 4.0]], [[0.2, 0.1]])
    g = np.array([0.6 + 0.1, 0.8])
    wanted = 1 - np.array([0.1, 0.2]) * g / np.sqrt(1.9 + 0.1 * g**2)
    np.testing.assert_allclose(found[0], wanted, rtol=1e-6)


def test_a_recipe_builds_it():
    class Plan:
        optimizer = RmsPropOfRecipe(learning_rate=0.045, decay=0.8, momentum=0.7, epsilon=0.5)
        weight_decay = WeightDecay(rate=0.1, variables="kernel")
        group_schedules = ()
        clip_global_norm = 2.0
        average_decay = 0.9999

    found = updated(build_optimizer(Plan), [[0.0, 1.0]] * 3, [[0.045]] * 3)
    w, ms, mom = np.ones(2), np.ones(2), np.zeros(2)
    for step in range(3):
        g = np.array([0.1 * w[0], 1.0])
        ms = 0.8 * ms + 0.2 * g**2
        mom = 0.7 * mom + 0.045 * g / np.sqrt(ms + 0.5)
        w = w - mom
        np.testing.assert_allclose(found[step], w, rtol=1e-5)
