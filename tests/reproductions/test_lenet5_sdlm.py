"""Stochastic diagonal Levenberg-Marquardt against NumPy (Appendix C)."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.training.optimizers import build_optimizer
from reproductions.lenet5.glyphs import codes
from reproductions.lenet5.levenberg_marquardt import (
    diagonal_curvature,
    linear_curvature,
    output_curvature,
)
from reproductions.lenet5.losses import MapLoss, MseLoss
from reproductions.lenet5.model import Rbf, squash
from reproductions.lenet5.sdlm import EstimateCurvature, Sdlm

build_model = functools.partial(reproductions.build_model, "lenet5")
RECIPES = reproductions.load("lenet5").RECIPES

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return RANDOM.normal(size=shape).astype("float32")


@pytest.fixture(scope="module")
def out():
    layer = Rbf(10)
    layer.build((None, 84))
    return layer


def test_output_curvature_of_equation_8_is_two(out):
    h = output_curvature(out, MseLoss(scale=1.0), tf.constant(normal(3, 84)), [1, 2, 3])
    np.testing.assert_allclose(h, np.full((3, 84), 2), atol=1e-4)


@pytest.mark.parametrize("j", [1.0, 60.0, 500.0])
def test_output_curvature_of_equation_9_is_exact(out, j):
    # With d = x - w_c: 2 (1 - sum p) + 4 (sum p d^2 - (sum p d)^2).
    x = 0.3 * normal(2, 84)
    labels = np.array([7, 2])
    d = (x[:, None] - codes()).astype("float64")
    y = (d**2).sum(-1)
    best = np.minimum(y.min(-1, keepdims=True), j)
    p = np.exp(best - y)
    p = (p / (p.sum(-1, keepdims=True) + np.exp(best - j)))[..., None]
    spread = (p * d**2).sum(1) - (p * d).sum(1) ** 2
    expected = 2 * (1 - p.sum(1)) + 4 * spread
    h = output_curvature(out, MapLoss(j=j, scale=1.0), tf.constant(x), labels)
    np.testing.assert_allclose(h, expected, rtol=1e-3, atol=1e-4)


def second_difference(function, w, k, step):
    """d2 function / d w_k^2, by finite differences in float64."""
    up, down = w.copy(), w.copy()
    up.flat[k] += step
    down.flat[k] -= step
    return (function(up) - 2 * function(w) + function(down)) / step**2


def test_curvature_of_one_dense_layer_is_the_second_derivative():
    # Without a squashing function and without sharing nothing is neglected.
    image = keras.Input((6,))
    x = keras.layers.Dense(84, bias_initializer="random_normal")(image)
    model = keras.Model(image, Rbf(10)(x))
    images, labels = normal(4, 6), np.array([3, 1, 4, 1])
    kernel, bias = (v.numpy().astype("float64") for v in model.weights[:2])

    def loss_of(kernel, bias):
        x = images.astype("float64") @ kernel + bias
        y = ((x[:, None] - codes()) ** 2).sum(-1)
        logits = np.concatenate([-y, np.full((4, 1), -90.0)], 1)
        top = logits.max(1, keepdims=True)
        total = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
        return (y[np.arange(4), labels] + total).mean()

    of_kernel, of_bias = diagonal_curvature(
        model, MapLoss(j=90.0, scale=1.0), tf.constant(images), labels
    )
    for k in (0, 83, 200, 503):
        expected = second_difference(lambda w: loss_of(w, bias), kernel, k, 1e-3)
        found = of_kernel.numpy().flat[k]
        assert found == pytest.approx(expected, rel=2e-3, abs=1e-4)
        expected = second_difference(lambda w: loss_of(kernel, w), bias, k % 84, 1e-3)
        found = of_bias.numpy().flat[k % 84]
        assert found == pytest.approx(expected, rel=2e-3, abs=1e-4)


def test_curvature_goes_back_through_the_squashing_function():
    # App. C by hand: d2E/da^2 = f'(a)^2 sum_k u_k^2 d2E/da_k^2.
    image = keras.Input((5,))
    a = keras.layers.Dense(3, bias_initializer="random_normal")(image)
    b = keras.layers.Dense(84)(keras.layers.Activation(squash)(a))
    model = keras.Model(image, Rbf(10)(b))
    images = normal(4, 5)
    kernel, bias, upper, _ = (v.numpy() for v in model.trainable_variables)
    inner = images @ kernel + bias
    y = 1.7159 * np.tanh(2 * inner / 3)
    f1 = 1.7159 * (2 / 3) / np.cosh(2 * inner / 3) ** 2
    h = f1**2 * 2 * (upper**2).sum(1)  # Eq. 8: 2 at each of the 84 units
    expected = ((images**2).T @ h / 4, h.mean(0), (y**2).T @ np.full((4, 84), 2) / 4)
    found = diagonal_curvature(
        model, MseLoss(scale=1.0), tf.constant(images), np.array([3, 1, 4, 1])
    )
    for one, other in zip(found[:3], expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_shared_weights_add_up_over_their_connections():
    layer = keras.layers.Conv2D(2, 2)
    x, h = normal(1, 4, 4, 3), np.abs(normal(1, 3, 3, 2))
    layer.build(x.shape)
    w = layer.kernel.numpy()
    of_x, of_w = np.zeros_like(x), np.zeros_like(w)
    for row, column, o, i, j, c in np.ndindex(3, 3, 2, 2, 2, 3):
        unit = h[0, row, column, o]
        of_x[0, row + i, column + j, c] += w[i, j, c, o] ** 2 * unit
        of_w[i, j, c, o] += x[0, row + i, column + j, c] ** 2 * unit
    found_x, (found_w, found_b) = linear_curvature(layer, tf.constant(x), tf.constant(h))
    np.testing.assert_allclose(found_x, of_x, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found_w, of_w, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found_b, h.sum((0, 1, 2)), rtol=1e-4)


def test_curvature_is_the_mean_over_examples_and_nonnegative():
    keras.utils.set_random_seed(0)
    model = build_model("lenet5")
    images, labels = tf.constant(normal(4, 32, 32, 1)), np.arange(4)
    loss = MapLoss(j=1.0, scale=1.0)
    both = diagonal_curvature(model, loss, images, labels)
    halves = [
        diagonal_curvature(model, loss, images[s], labels[s]) for s in (slice(0, 1), slice(1, 4))
    ]
    for h, one, three in zip(both, *halves, strict=True):
        assert h.shape == one.shape and (h.numpy() >= 0).all()
        np.testing.assert_allclose(h, one / 4 + 3 * three / 4, 1e-3, 1e-6)


def test_curvature_goes_back_through_layers_that_are_frozen():
    keras.utils.set_random_seed(0)
    model = build_model("lenet5")
    given = MapLoss(j=1.0, scale=1.0), tf.constant(normal(4, 32, 32, 1)), np.arange(4)
    paths = [v.path for v in model.trainable_variables]
    found = dict(zip(paths, diagonal_curvature(model, *given), strict=True))
    for name in ("C1", "S4"):
        model.get_layer(name).trainable = False
    left = [v.path for v in model.trainable_variables]
    assert set(paths) - set(left) == {p for p in paths if p.startswith(("C1/", "S4/"))}
    for path, h in zip(left, diagonal_curvature(model, *given), strict=True):
        np.testing.assert_array_equal(h, found[path])


def test_curvature_in_bfloat16_is_float32s_to_its_digits():
    loss, found = MapLoss(j=1.0, scale=1.0), {}
    images, labels = tf.constant(normal(4, 32, 32, 1)), np.arange(4)
    for policy in ("float32", "mixed_bfloat16"):
        keras.mixed_precision.set_dtype_policy(policy)
        try:
            keras.utils.set_random_seed(0)
            model = build_model("lenet5")
        finally:
            keras.mixed_precision.set_dtype_policy("float32")
        found[policy] = diagonal_curvature(model, loss, images, labels)
    for exact, rounded in zip(found["float32"], found["mixed_bfloat16"], strict=True):
        assert rounded.dtype == "float32"
        np.testing.assert_allclose(rounded, exact, atol=0.05 * np.max(exact))


def test_a_step_divides_the_rate_by_mu_plus_curvature():
    keras.utils.set_random_seed(0)
    model = build_model("lenet5")
    optimizer = Sdlm(learning_rate=5e-4, mu=0.02).build()
    examples = tf.constant(normal(8, 32, 32, 1)), np.arange(8)
    loss = MapLoss(j=1.0, scale=1.0)
    EstimateCurvature(samples=8, kept=0.5)(model, optimizer, loss, examples)
    optimizer.rates.assign([2e-4])
    curvatures = diagonal_curvature(model, loss, *examples)
    before = [v.numpy() for v in model.trainable_variables]
    gradients = [tf.constant(normal(*v.shape)) for v in before]
    optimizer.apply(gradients, model.trainable_variables)
    for v, w, g, h in zip(model.trainable_variables, before, gradients, curvatures, strict=True):
        expected = w - 2e-4 / (0.02 + h.numpy()) * g.numpy()
        np.testing.assert_allclose(v, expected, rtol=1e-3, atol=1e-6)


def test_part_of_the_last_passes_curvature_is_kept_but_not_its_zeros():
    model = build_model("lenet5")
    optimizer = Sdlm(learning_rate=5e-4, mu=0.02).build()
    loss, labels = MapLoss(j=1.0, scale=1.0), np.arange(8)
    estimate = EstimateCurvature(samples=8, kept=0.25)
    before, now = (tf.constant(normal(8, 32, 32, 1)) for _ in range(2))
    estimate(model, optimizer, loss, (before, labels))
    first = diagonal_curvature(model, loss, before, labels)
    for h, expected in zip(optimizer.curvatures, first, strict=True):
        np.testing.assert_array_equal(h, expected)
    optimizer.iterations.assign(60_000)
    estimate(model, optimizer, loss, (now, labels))
    second = diagonal_curvature(model, loss, now, labels)
    for h, a, b in zip(optimizer.curvatures, first, second, strict=True):
        np.testing.assert_allclose(h, 0.25 * a + 0.75 * b, 1e-5)


def test_curvatures_are_among_the_variables_that_are_saved():
    optimizer = build_optimizer(RECIPES["lenet5"])
    model = build_model("lenet5")
    optimizer.build(model.trainable_variables)
    saved = {id(v) for v in optimizer.variables}
    assert {id(v) for v in optimizer.curvatures} <= saved
