"""TensorFlow 1's RMSProp against a NumPy reading of its formula."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

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


def test_kerass_own_starts_its_mean_square_at_zero():
    variable = keras.Variable(np.ones(2), name="kernel")
    optimizer = keras.optimizers.RMSprop(0.1, **PAPER)
    found = []
    for g in draws(5):
        optimizer.apply([tf.constant(g, tf.float32)], [variable])
        found.append(variable.numpy())
    keras_wanted = by_formula(draws(5), [0.1] * 5, start=0.0)
    np.testing.assert_allclose(found, keras_wanted, rtol=1e-5)
    ours = updated(RmsProp(**PAPER), draws(5), [[0.1]] * 5)
    # Larger at first, by sqrt(1.9 + 0.1 g^2) / sqrt(1 + 0.1 g^2).
    g = draws(1)[0]
    ratio = np.sqrt((1.9 + 0.1 * g**2) / (1 + 0.1 * g**2))
    np.testing.assert_allclose((1 - np.array(found[0])) / (1 - ours[0]), ratio, rtol=1e-4)


def test_epsilon_is_inside_of_the_root():
    optimizer = RmsProp(rho=0.0, momentum=0.0, epsilon=1.0)
    found = updated(optimizer, [[1.0, 1.0]], [[1.0]])
    np.testing.assert_allclose(found[0], 1 - 1 / np.sqrt(2), rtol=1e-6)


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


TWO_DEVICES = """
import json, sys
import keras, numpy as np, tensorflow as tf
from common.training.optimizers import RmsProp
from common.distribution.strategy import make_strategy

strategy = make_strategy(int(sys.argv[1]), "cpu")
with strategy.scope():
    variables = [keras.Variable(np.ones(2, "float32"), name="kernel")]
    optimizer = RmsProp(
        rho=0.9, momentum=0.9, epsilon=1.0, clip_global_norm=2.0,
        average_decay=0.5,
    )
    optimizer.build(variables)
optimizer.rates.assign([0.1])

@tf.function
def step(gradient):
    def replica(gradient):  # each has a share of the sum
        share = gradient / strategy.num_replicas_in_sync
        optimizer.apply([share], variables)
    strategy.run(replica, args=(gradient,))

for gradient in ([3.0, 4.0], [1.0, -0.5], [0.2, 0.1]):
    step(tf.constant(gradient))
print(json.dumps([v.numpy().tolist() for v in
                  (*variables, *optimizer.averages)]))
"""


@pytest.mark.parametrize("devices", [1, 2])
def test_the_sum_over_devices_is_one_gradient(devices):
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, str(devices)],
        capture_output=True,
        text=True,
        check=True,
    )
    gradients = np.array([[1.2, 1.6], [1.0, -0.5], [0.2, 0.1]])  # clipped
    values = by_formula(gradients, [0.1] * 3, start=1.0)
    average = values[0]
    for step in (1, 2):
        d = min(0.5, (1 + step) / (10 + step))
        average = d * average + (1 - d) * values[step]
    found = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(found, [values[-1], average], rtol=1e-5)
