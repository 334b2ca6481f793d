"""The papers' update rules against a NumPy reading of their formulas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.recipes.recipe import GroupSchedule, Sgd
from common.recipes.schedules import ByEpoch, Constant
from common.training.optimizers import MomentumSgd, rates_at


def updated(optimizer, gradients, rates, start=1.0):
    """The values of a "kernel" and a "bias" after each update."""
    variables = [keras.Variable([start], name="kernel"), keras.Variable([start], name="bias")]
    optimizer.build(variables)
    values = []
    for step_gradients, rate in zip(gradients, rates, strict=True):
        optimizer.rates.assign(rate)
        optimizer.apply([tf.constant([g], tf.float32) for g in step_gradients], variables)
        values.append([float(v.numpy()[0]) for v in variables])
    return np.array(values)


def test_decay_and_rate_are_inside_the_momentum_as_alexnet_says():
    # Sec. 5: v <- 0.9 v - 0.0005 eps w - eps g; w <- w + v. The rate drops
    # half-way, which tells it from the form with the rate outside.
    rates = [0.1] * 10 + [0.01] * 10
    gradients = np.random.default_rng(0).normal(size=(20, 2))
    w, v, expected = np.ones(2), np.zeros(2), []
    for g, rate in zip(gradients, rates, strict=True):
        v = 0.9 * v - np.array([5e-4, 0.0]) * rate * w - rate * g
        w = w + v
        expected.append(w)
    optimizer = MomentumSgd(0.9, nesterov=False, decay=(5e-4, "kernel"))
    found = updated(optimizer, gradients, [[r] for r in rates])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_clipping_is_global_and_comes_before_the_decay():
    optimizer = MomentumSgd(0.0, nesterov=False, decay=(0.1, "kernel"), clip_global_norm=1.0)
    found = updated(optimizer, [[3.0, 4.0]], [[1.0]])
    np.testing.assert_allclose(found[0], [1 - 0.6 - 0.1, 1 - 0.8], rtol=1e-6)


def test_each_group_follows_its_own_rate():
    optimizer = MomentumSgd(0.0, nesterov=False, groups=["bias"])
    found = updated(optimizer, [[1.0, 1.0]], [[0.2, 0.1]])
    np.testing.assert_allclose(found[0], [0.9, 0.8], rtol=1e-6)


def test_rates_are_those_of_the_groups_and_last_of_the_others():
    class Plan:
        optimizer = Sgd(learning_rate=0.01, momentum=0.9, nesterov=False)
        schedule = ByEpoch(starts=(0, 3), factors=(1.0, 0.1))
        group_schedules = (GroupSchedule(variables="bias", schedule=Constant(value=2.0)),)

    where = dict(step=0, steps_per_epoch=1, history=[])
    assert rates_at(Plan, epoch=2, **where) == pytest.approx([0.02, 0.01])
    assert rates_at(Plan, epoch=3, **where) == pytest.approx([0.02, 0.001])


def test_the_average_is_tensorflows_with_num_updates():
    # d = min(decay, (1 + t) / (10 + t)); the first average is the weight. Few
    # updates after the two are equal, at t = 12.5, or the first would be forgotten.
    gradients = np.random.default_rng(0).normal(size=(16, 2))
    optimizer = MomentumSgd(0.9, nesterov=False, average_decay=0.6)
    values = updated(optimizer, gradients, [[0.1]] * 16)
    expected = values[0]
    for t, value in enumerate(values[1:], 1):
        d = min(0.6, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * value
    found = [float(a.numpy()[0]) for a in optimizer.averages]
    assert found == pytest.approx(expected, rel=1e-5)


def test_without_a_decay_there_is_no_average():
    optimizer = MomentumSgd(0.9, nesterov=False)
    variable = keras.Variable([1.0])
    optimizer.build([variable])
    assert not optimizer.averages
    with optimizer.averaged([variable]):
        assert variable.numpy() == 1.0
