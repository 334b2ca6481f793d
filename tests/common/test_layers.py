"""Layers against loops over the papers' formulas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.distribution.batch_slice import batch_slice
from common.models import layers
from common.models.layers import Dropout, GroupedConv2D, LocalResponseNormalization

PAPER = {"n": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75}


def formula(a, *, n, k, alpha, beta, groups=1):
    """Sec. 3.3 of AlexNet, term by term."""
    b = np.zeros_like(a, dtype="float64")
    block = a.shape[-1] // groups
    for i in range(a.shape[-1]):
        low, high = i // block * block, (i // block + 1) * block - 1
        first, last = max(low, i - n // 2), min(high, i + n // 2)
        total = sum(a[..., j] ** 2 for j in range(first, last + 1))
        b[..., i] = a[..., i] / (k + alpha * total) ** beta
    return b


@pytest.fixture
def activations():
    values = np.random.default_rng(0).normal(0, 100, (2, 3, 4, 12))
    return values.astype("float32")


@pytest.mark.parametrize(
    "constants",
    [
        PAPER,
        PAPER | {"alpha": 2e-5},
        PAPER | {"k": 1.0, "alpha": 2e-5},
        PAPER | {"n": 3, "beta": 0.5, "k": 1.5},
        PAPER | {"groups": 2},
    ],
)
@pytest.mark.parametrize("on_gpu", [False, True])
def test_lrn_is_the_papers_formula(activations, constants, on_gpu, monkeypatch):
    monkeypatch.setattr(layers, "_on_gpu", lambda: on_gpu)
    found = LocalResponseNormalization(**constants)(activations)
    np.testing.assert_allclose(found, formula(activations, **constants), rtol=2e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_lrn_gradient_is_that_of_tf_nn(activations, groups, monkeypatch):
    gradients = []
    weights = np.random.default_rng(1).normal(size=activations.shape)
    for on_gpu in (False, True):
        monkeypatch.setattr(layers, "_on_gpu", lambda on_gpu=on_gpu: on_gpu)
        layer = LocalResponseNormalization(**PAPER, groups=groups)
        x = tf.constant(activations)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(layer(x) * weights)
        gradients.append(tape.gradient(total, x))
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-5)


def test_lrn_of_an_even_window_is_refused():
    with pytest.raises(ValueError, match="odd"):
        LocalResponseNormalization(n=4, k=2, alpha=1, beta=1)


def test_lrn_sums_squares_in_float32_under_bfloat16():
    policy = keras.DTypePolicy("mixed_bfloat16")
    layer = LocalResponseNormalization(**PAPER | {"alpha": 1.0}, dtype=policy)
    x = np.full((1, 1, 1, 8), 1.0, "float32")  # k + sum = 5, 6 and 7
    found = layer(x)
    assert found.dtype == "bfloat16"
    wanted = formula(x, **PAPER | {"alpha": 1.0})
    np.testing.assert_array_equal(found, tf.cast(wanted, "bfloat16"))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_grouped_convolution_equals_keras(jit_compile):
    x = np.random.default_rng(0).normal(size=(2, 9, 9, 12)).astype("float32")
    grouped, native = (
        kind(8, 3, strides=2, padding="same", groups=4)
        for kind in (GroupedConv2D, keras.layers.Conv2D)
    )
    native.build(x.shape)
    grouped.build(x.shape)
    grouped.set_weights(native.get_weights())  # the same layout
    run = tf.function(grouped, jit_compile=jit_compile)
    np.testing.assert_allclose(run(x), native(x), atol=1e-5)


def masks(*, seed=1, step=0, start=0, rows=8, name="drop6", size=8):
    layer = Dropout(0.5, name=name)
    where = batch_slice(seed=seed, step=tf.constant(step, tf.int64), start=start, size=size)
    with where:
        return layer(np.ones((rows, 256), "float32"), training=True).numpy()


def test_dropout_masks_do_not_depend_on_the_number_of_replicas():
    halves = [masks(start=tf.constant(s), rows=4) for s in (0, 4)]
    np.testing.assert_array_equal(masks(), np.concatenate(halves))
    assert (halves[0] != halves[1]).any()


@pytest.mark.parametrize("other", [{"seed": 2}, {"step": 1}, {"name": "drop7"}])
def test_dropout_masks_differ_by_seed_step_and_layer(other):
    np.testing.assert_array_equal(masks(), masks())
    differ = masks() != masks(**other)
    assert 0.4 < differ.mean() < 0.6


def test_dropout_masks_do_not_depend_on_the_slice_under_xla():
    layer = Dropout(0.5, name="drop6")

    @tf.function(jit_compile=True)
    def compiled(start, x):
        step = tf.constant(0, tf.int64)
        with batch_slice(seed=1, step=step, start=start, size=8):
            return layer(x, training=True)

    whole, part = (
        compiled(tf.constant(start), tf.ones((rows, 256))).numpy()
        for start, rows in ((0, 8), (2, 4))
    )
    np.testing.assert_array_equal(whole[2:6], part)


def test_dropout_keeps_the_mean_and_the_share():
    kept = masks(rows=8)
    assert set(np.unique(kept)) == {0.0, 2.0}
    assert abs(kept.mean() - 1) < 0.1


def test_dropout_of_whole_maps_is_refused_in_a_training_step():
    layer = Dropout(0.5, noise_shape=(None, 1))
    step = batch_slice(seed=1, step=tf.constant(0, tf.int64), start=0, size=8)
    with step, pytest.raises(ValueError, match="noise_shape"):
        layer(np.ones((8, 256), "float32"), training=True)


def test_dropout_outside_of_our_training_steps_is_keras():
    keras.utils.set_random_seed(0)  # wanted once a training has made this process deterministic
    x = np.ones((8, 4), "float32")
    np.testing.assert_array_equal(Dropout(0.5)(x), x)
    model = keras.Sequential([keras.Input((4,)), Dropout(0.5), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(x, np.ones((8, 1)), verbose=0)
    assert np.isfinite(history.history["loss"][0])
