"""The papers' update rules against a NumPy reading of their formulas."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.errors import UsageError
from common.recipes import recipe
from common.recipes.schedules import ByEpoch, Constant
from common.training.optimizers import MomentumSgd, RmsProp, Shared, build_optimizer, rates_at

# Inception-v3, Sec. 8: decay 0.9, epsilon 1.0; 0.9 is the release's momentum.
INCEPTION = dict(rho=0.9, momentum=0.9, epsilon=1.0)
GRADIENTS = np.random.default_rng(0).normal(size=(20, 2))
RATES = [0.1] * 10 + [0.01] * 10  # the drop tells a rate inside of the momentum from one outside


def updated(optimizer, gradients, rates):
    """The values of a "kernel" and a "bias" after each update; both begin with 1."""
    variables = [keras.Variable([1.0], name=name) for name in ("kernel", "bias")]
    optimizer.build(variables)
    values = []
    for step_gradients, rate in zip(gradients, rates, strict=True):
        optimizer.rates.assign(rate)
        optimizer.apply([tf.constant([g], tf.float32) for g in step_gradients], variables)
        values.append([float(v.numpy()[0]) for v in variables])
    return np.array(values)


def by_formula(decay, *, momentum, rho=None, epsilon=None):
    """AlexNet, Sec. 5: v <- 0.9 v - 0.0005 eps w - eps g; w <- w + v. With rho, TensorFlow 1's
    tf.train.RMSPropOptimizer: the gradient over sqrt(m + epsilon), m a mean square from 1 on."""
    w, v, m, values = np.ones(2), np.zeros(2), np.ones(2), []
    for g, rate in zip(GRADIENTS, RATES, strict=True):
        g = g + np.array([decay, 0.0]) * w
        if rho is not None:
            m = rho * m + (1 - rho) * g**2
            g = g / np.sqrt(m + epsilon)
        v = momentum * v - rate * g
        w = w + v
        values.append(w)
    return np.array(values)


@pytest.mark.parametrize(
    ("rule", "constants", "decay"),
    [
        (MomentumSgd, dict(momentum=0.9), 5e-4),
        *((RmsProp, INCEPTION | dict(momentum=m), 0.0) for m in (0.0, 0.9)),
        *((RmsProp, INCEPTION | dict(epsilon=1e-3, momentum=m), 0.1) for m in (0.0, 0.9)),
    ],
)
def test_decay_and_rate_are_inside_of_the_momentum(rule, constants, decay):
    more = {"nesterov": False} if rule is MomentumSgd else {}
    optimizer = rule(**constants, **more, decay=(decay, "kernel") if decay else None)
    found = updated(optimizer, GRADIENTS, [[rate] for rate in RATES])
    np.testing.assert_allclose(found, by_formula(decay, **constants), rtol=1e-5)


def test_a_recipe_builds_rmsprop():
    plan = types.SimpleNamespace(
        optimizer=recipe.RmsProp(learning_rate=0.045, decay=0.8, momentum=0.7, epsilon=0.5),
        weight_decay=recipe.WeightDecay(rate=0.1, variables="kernel"),
        group_schedules=(),
        clip_global_norm=1e9,
        average_decay=0.9999,
    )
    optimizer = build_optimizer(plan)
    assert (optimizer.clip_global_norm, optimizer.average_decay) == (1e9, 0.9999)
    found = updated(optimizer, GRADIENTS, [[rate] for rate in RATES])
    wanted = by_formula(0.1, rho=0.8, momentum=0.7, epsilon=0.5)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_clipping_is_global_and_comes_before_the_decay_and_the_rule():
    shared = dict(decay=(0.1, "kernel"), clip_global_norm=1.0, groups=["bias"])
    g, rates = np.array([0.6 + 0.1, 0.8]), np.array([0.1, 0.2])
    for optimizer, step in (
        (MomentumSgd(0.0, nesterov=False, **shared), g),
        (RmsProp(**INCEPTION, **shared), g / np.sqrt(1.9 + 0.1 * g**2)),
    ):
        found = updated(optimizer, [[3.0, 4.0]], [[0.2, 0.1]])
        np.testing.assert_allclose(found[0], 1 - rates * step, rtol=1e-6)


def test_an_update_rule_is_given_the_rate_of_its_group():
    class Plain(Shared, keras.optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, learning_rate * gradient)

    found = updated(Plain(groups=["bias"]), [[3.0, 4.0]], [[0.2, 0.1]])
    np.testing.assert_allclose(found[0], 1 - np.array([0.1 * 3, 0.2 * 4]), rtol=1e-6)


@pytest.mark.parametrize(
    ("build", "lost"),
    [
        (lambda **shared: MomentumSgd(0.9, nesterov=False), "decay, average_decay"),
        (lambda **shared: keras.optimizers.Lion(), "groups, decay, average_decay, loss_scaling"),
        (None, "learning_rate and build"),
    ],
)
def test_an_optimizer_that_drops_what_the_recipe_has_is_refused(build, lost):
    own = types.SimpleNamespace(build=build) if build else keras.optimizers.Lion()
    decay = recipe.WeightDecay(rate=0.1, variables="kernel")
    more = {"group_schedules": (), "clip_global_norm": None, "average_decay": 0.9}
    plan = types.SimpleNamespace(optimizer=own, weight_decay=decay, **more)
    with pytest.raises(UsageError, match=f"is without {lost}.*CONTRIBUTING.md"):
        build_optimizer(plan)


def test_rates_are_those_of_the_groups_and_last_of_the_others():
    plan = types.SimpleNamespace(
        optimizer=recipe.Sgd(learning_rate=0.01, momentum=0.9, nesterov=False),
        schedule=ByEpoch(starts=(0, 3), factors=(1.0, 0.1)),
        group_schedules=(recipe.GroupSchedule(variables="bias", schedule=Constant(value=2.0)),),
    )
    where = dict(step=0, steps_per_epoch=1, history=[])
    assert rates_at(plan, epoch=2, **where) == pytest.approx([0.02, 0.01])
    assert rates_at(plan, epoch=3, **where) == pytest.approx([0.02, 0.001])


def test_the_average_is_tensorflows_with_num_updates():
    # d = min(decay, (1 + t) / (10 + t)); the first average is the weight. Few
    # updates after the two are equal, at t = 12.5, or the first would be forgotten.
    optimizer = MomentumSgd(0.9, nesterov=False, average_decay=0.6)
    values = updated(optimizer, GRADIENTS[:16], [[0.1]] * 16)
    expected = values[0]
    for t, value in enumerate(values[1:], 1):
        d = min(0.6, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * value
    found = [float(a.numpy()[0]) for a in optimizer.averages]
    assert found == pytest.approx(expected, rel=1e-5)
