"""The networks that LeNet-5 is compared with: Section III-C."""

import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from reproductions.lenet5.levenberg_marquardt import diagonal_curvature
from reproductions.lenet5.losses import UnitsMse
from reproductions.lenet5.model import C3_OF_LENET1, C3_OF_LENET4, Subsampling, squash
from tests.reproductions.test_lenet5 import connections

build_model = functools.partial(reproductions.build_model, "lenet5")
RECIPES = reproductions.load("lenet5").RECIPES

# Output, trainable parameters, connections with the biases. LeNet-1's are of
# "Handwritten digit recognition with a back-propagation network" (1989).
LENET1 = {
    "C1": ((24, 24, 4), 104, 59_904),
    "S2": ((12, 12, 4), 8, 2_880),
    "C3": ((8, 8, 12), 512, 32_768),
    "S4": ((4, 4, 12), 24, 960),
    "OUT": ((10,), 1_930, 1_930),
}
LENET4 = {
    "C1": ((28, 28, 4), 104, 81_536),
    "S2": ((14, 14, 8), 16, 7_840),
    "C3": ((10, 10, 16), 1_216, 121_600),
    "S4": ((5, 5, 16), 32, 2_000),
    "F5": ((120,), 48_120, 48_120),
    "OUT": ((10,), 1_210, 1_210),
}


@pytest.mark.parametrize(
    ("variant", "layers", "params", "links"),
    [("lenet1", LENET1, 2_578, 98_442), ("lenet4", LENET4, 50_698, 262_306)],
)
def test_layers_and_totals_are_those_of_their_papers(variant, layers, params, links):
    model = build_model(variant)
    for name, (output, trainable, linked) in layers.items():
        layer = model.get_layer(name)
        found = sum(math.prod(v.shape) for v in layer.trainable_variables)
        assert layer.output.shape == (None, *output)
        assert (found, connections(layer)) == (trainable, linked)
    total = sum(math.prod(v.shape) for v in model.trainable_variables)
    assert total == params
    assert sum(connections(model.get_layer(n)) for n in layers) == links


def test_links_of_lenet1_are_four_single_maps_and_eight_pairs():
    assert sorted(map(len, C3_OF_LENET1)) == [1] * 4 + [2] * 8
    assert [sum(i in g for g in C3_OF_LENET1) for i in range(4)] == [5] * 4


def test_links_of_lenet4_differ_and_use_all_maps_alike():
    assert len({tuple(sorted(g)) for g in C3_OF_LENET4}) == 16
    assert [sum(i in g for g in C3_OF_LENET4) for i in range(8)] == [6] * 8


def test_a_map_of_lenet4_is_subsampled_twice():
    layer = Subsampling(copies=2)
    layer.build((None, 4, 4, 3))
    layer.coefficient.assign(np.arange(1.0, 7.0))
    images = np.random.default_rng(0).normal(size=(1, 4, 4, 3))
    out = layer(images.astype("float32")).numpy() - layer.bias.numpy()
    sums = images.reshape(1, 2, 2, 2, 2, 3).sum((2, 4))
    for place in range(6):
        expected = (place + 1) * sums[..., place // 2]
        np.testing.assert_allclose(out[..., place], expected, 1e-4, 1e-5)


def test_a_fully_connected_network_is_its_matrices():  # Sec. III-C, item 6
    keras.utils.set_random_seed(0)
    model = build_model("mnist_300_100")
    images = np.random.default_rng(0).normal(size=(3, 28, 28, 1))
    x = images.astype("float32").reshape(3, 784)
    weights = [v.numpy() for v in model.trainable_variables]
    assert [w.shape for w in weights[::2]] == [(784, 300), (300, 100), (100, 10)]
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        x = 1.7159 * np.tanh((x @ kernel + bias) * 2 / 3)
    np.testing.assert_allclose(model(images), x, rtol=1e-4, atol=1e-4)


def test_the_linear_classifiers_differ_in_their_units():
    keras.utils.set_random_seed(0)
    plain, squashed = map(build_model, ("mnist_linear", "mnist_linear_squashed"))
    squashed.set_weights(plain.get_weights())
    images = np.random.default_rng(0).normal(size=(3, 28, 28, 1))
    sums = plain(images).numpy()
    kernel, bias = plain.get_weights()
    np.testing.assert_allclose(sums, images.reshape(3, 784) @ kernel + bias, 1e-4, 1e-4)
    np.testing.assert_allclose(squashed(images), squash(sums), 1e-4, 1e-5)


def test_units_are_compared_with_targets_of_plus_and_minus_one():
    units = np.random.default_rng(0).normal(size=(4, 10)).astype("float32")
    labels = np.array([3, 0, 9, 3])
    targets = np.full((4, 10), -1.0)
    targets[np.arange(4), labels] = 1.0
    expected = 0.5 * ((units - targets) ** 2).sum(-1)
    np.testing.assert_allclose(UnitsMse(scale=0.5)(units, labels), expected, rtol=1e-5)


def test_curvature_of_the_output_units_neglects_their_bend():
    # App. C: d2E/da^2 = f'(a)^2 d2E/dy^2, and d2E/dy^2 = 2; f'' is left out.
    keras.utils.set_random_seed(0)
    model = build_model("mnist_linear_squashed")
    images = np.random.default_rng(0).normal(size=(5, 28, 28, 1))
    images = images.astype("float32")
    kernel, bias = model.get_weights()
    a = images.reshape(5, 784) @ kernel + bias
    h = 2 * (1.7159 * (2 / 3) / np.cosh(2 * a / 3) ** 2) ** 2
    of_kernel, of_bias = diagonal_curvature(
        model, UnitsMse(scale=1.0), tf.constant(images), np.arange(5)
    )
    np.testing.assert_allclose(of_kernel, (images.reshape(5, 784) ** 2).T @ h / 5, 1e-3, 1e-5)
    np.testing.assert_allclose(of_bias, h.mean(0), 1e-3)


@pytest.mark.parametrize(("variant", "power"), [("lenet1", 1.0), ("lenet4", 0.5)])
def test_their_weights_start_within_the_bounds_of_their_fan_in(variant, power):
    keras.utils.set_random_seed(0)
    model = build_model(variant)
    inputs = model.get_layer("OUT").kernel.shape[0]
    for name, fan_in in (("C1", 25), ("OUT", inputs)):
        bound = 2.4 / fan_in**power
        largest = np.abs(model.get_layer(name).kernel.numpy()).max()
        assert 0.9 * bound < largest <= bound * (1 + 1e-6)
