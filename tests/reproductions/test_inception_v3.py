"""Inception-v3's facts: Table 1, Sections 3 to 9, TensorFlow's release."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.distribution.batch_slice import batch_slice
from common.errors import RunError
from common.models.layer_table import layer_table, totals
from common.models.layers import BatchNormalization
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import Sgd
from reproductions.inception_v3.distortions import ColourDistortions
from reproductions.inception_v3.networks import FORMS
from reproductions.inception_v3.weights import from_torchvision
from tests import golden
from tests.reproductions.graphs import context, draws, graph_of

RECIPES = reproductions.load("inception_v3").RECIPES


@pytest.fixture(scope="module")
def released():
    return graph_of("inception_v3", "inception_v3")


def test_the_releases_have_as_many_parameters(released):
    rows = layer_table(released)
    trainable = sum(np.prod(v.shape) for v in released.trainable_variables)
    assert trainable == 27_161_264  # torchvision's with its auxiliary head
    offsets = sum(r.params - r.weights for r in rows if r.main) - 1000
    assert totals(rows).params - offsets // 2 == 23_817_352  # as the release, no scale


def test_factorisation_saves_what_section_3_says():
    def cost(*kernels):
        x = image = keras.Input((17, 17, 24))
        for kernel in kernels:
            x = keras.layers.Conv2D(24, kernel, padding="same")(x)
        return totals(layer_table(keras.Model(image, x))).macs

    assert cost((3, 3), (3, 3)) / cost((5, 5)) == pytest.approx(1 - 0.28)
    assert cost((3, 1), (1, 3)) / cost((3, 3)) == pytest.approx(2 / 3)
    assert cost((2, 2), (2, 2)) / cost((3, 3)) == pytest.approx(8 / 9)
    assert cost((5, 5)) / cost((3, 3)) == pytest.approx(2.78, abs=0.005)


@pytest.mark.parametrize("step", [0, 7, 40_000])
def test_moving_averages_keep_less_at_first(step):
    layer = BatchNormalization(momentum=0.9997, epsilon=1e-3)
    x = draws(64, 3, 3, 2, scale=3) + 5
    layer.build(x.shape)

    @tf.function
    def train(step):
        with batch_slice(seed=0, step=step, start=0, size=64):
            return layer(x, training=True)

    output = train(tf.constant(step, tf.int64)).numpy()
    kept = min(0.9997, (1 + step) / (10 + step))
    assert (kept == 0.9997) == (step == 40_000)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    np.testing.assert_allclose(layer.moving_mean, (1 - kept) * mean, rtol=1e-3)
    np.testing.assert_allclose(layer.moving_variance, kept + (1 - kept) * variance, rtol=1e-3)
    np.testing.assert_allclose(output, (x - mean) / np.sqrt(variance + 1e-3), atol=1e-4)
    assert layer.momentum == 0.9997  # what is saved
    layer(x, training=True)  # outside of a training step: Keras's own
    kept *= 0.9997
    np.testing.assert_allclose(layer.moving_variance, kept + (1 - kept) * variance, rtol=1e-3)


def test_the_auxiliary_heads_dense_layer_is_normalised_in_v3_only(released):
    assert released.get_layer("aux_conv1_bn").output.shape[-1] == 768
    earlier = graph_of("inception_v3", "inception_v2_table1")
    names = {layer.name for layer in earlier.layers}
    assert "aux_conv0_bn" in names and "aux_conv1_bn" not in names
    assert earlier.get_layer("aux_conv1").use_bias
    assert earlier.get_layer("aux_pool").input is earlier.get_layer("mixed_6f_output").output


def differing(one, other):
    """The names of the fields in which two dataclasses differ."""
    names = [field.name for field in dataclasses.fields(one)]
    return {name for name in names if getattr(one, name) != getattr(other, name)}


def test_each_row_of_table_3_changes_one_thing():
    v2 = "inception_v2"
    rows = (v2, f"{v2}_rmsprop", f"{v2}_label_smoothing", f"{v2}_factorized_7x7", "inception_v3")
    changes = [
        differing(RECIPES[a], RECIPES[b]) - {"deviations"} | differing(FORMS[a], FORMS[b])
        for a, b in itertools.pairwise(rows)
    ]
    assert changes == [{"optimizer"}, {"loss"}, {"stem"}, {"aux_batch_norm"}]
    first = RECIPES["inception_v2"]
    assert first.optimizer == Sgd(learning_rate=0.045, momentum=0.9, nesterov=False)
    assert first.loss.main == SoftmaxCrossEntropy()


def distorted(image, position=0, **amounts):
    still = dict(brightness=0.0, saturation=(1.0, 1.0), hue=0.0, contrast=(1.0, 1.0))
    operation = ColourDistortions(**still | amounts)
    return operation(tf.constant(image), context(position)).numpy()


def test_colour_distortions_change_what_they_say():
    image = np.random.default_rng(0).uniform(80, 170, (8, 9, 3)).astype("f4")
    np.testing.assert_allclose(distorted(image), image, atol=1e-3)
    lighter = distorted(image, brightness=32 / 255) - image
    assert np.ptp(lighter) < 1e-3
    assert 0.1 < abs(lighter).max() <= 32
    grey = distorted(image, saturation=(0.0, 0.0))
    assert np.ptp(grey, axis=-1).max() < 1e-3
    flat = distorted(image, contrast=(0.5, 0.5))
    np.testing.assert_allclose(flat, 0.5 * (image + image.mean((0, 1))), rtol=1e-4)
    turned = distorted(image, hue=0.2)
    np.testing.assert_allclose(turned.max(-1), image.max(-1), rtol=1e-4)
    assert abs(turned - image).max() > 1
    assert distorted(image, contrast=(9.0, 9.0)).max() == 255
    assert distorted(image, contrast=(9.0, 9.0)).min() == 0


def test_brightness_is_even_and_both_orders_occur():
    grey = np.full((2, 2, 3), 128.0, "float32")
    added = [distorted(grey, i, brightness=0.1)[0, 0, 0] - 128 for i in range(200)]
    assert abs(np.mean(added)) < 3
    assert -25.51 < min(added) < -24 < 24 < max(added) < 25.51
    red = np.float32([[[200, 90, 90]]])
    assert {distorted(red, i, hue=0.2).argmin() for i in range(20)} == {1, 2}  # either way
    image = np.random.default_rng(0).uniform(80, 170, (3, 3, 3)).astype("f4")
    amounts = dict(saturation=(1.5, 1.5), contrast=(0.5, 0.5))
    results = {distorted(image, i, **amounts).round(2).tobytes() for i in range(20)}
    assert len(results) == 2


# Weights of torchvision and keras.applications; the logits: test_golden.py.


def test_half_an_auxiliary_head_is_refused():
    state = golden.state("torchvision_inception_v3")
    del state["AuxLogits.conv1.bn.bias"]
    with pytest.raises(RunError, match=r"Missing: AuxLogits\.conv1\.bn\.bias"):
        from_torchvision(state, graph_of("inception_v3", "inception_v3_torchvision"))
