"""The small network of Section 4.1 of the batch normalization paper."""

import functools

import keras
import numpy as np
import pytest

import reproductions
from common.data.transforms import Binarize
from common.data.transforms.pixels import Context
from reproductions.bn_inception.model import SPREAD
from tests.reproductions.helpers import draws

build_model = functools.partial(reproductions.build_model, "bn_inception")
RECIPES = reproductions.load("bn_inception").RECIPES

BOTH = ("bn_mnist", "bn_mnist_baseline")


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def test_the_baseline_is_three_sigmoid_layers_and_a_softmax_layer():
    keras.utils.set_random_seed(0)
    model = build_model("bn_mnist_baseline")
    weights = [v.numpy() for v in model.trainable_variables]
    x = (draws(4, 28, 28, 1) > 0).astype("float32")
    expected = x.reshape(4, 784)
    for kernel, bias in zip(weights[:6:2], weights[1:6:2], strict=True):
        expected = sigmoid(expected @ kernel + bias)
    expected = expected @ weights[6] + weights[7]
    np.testing.assert_allclose(model(x), expected, 1e-4, 1e-4)


def test_batch_normalisation_stands_between_each_sum_and_its_sigmoid():
    keras.utils.set_random_seed(0)
    model = build_model("bn_mnist")
    x = (draws(60, 28, 28, 1) > 0).astype("float32")
    expected = x.reshape(60, 784)
    for i in (1, 2, 3):  # Alg. 1, with gamma and beta moved from 1 and 0
        norm = model.get_layer(f"hidden{i}_bn")
        norm.gamma.assign(1 + 0.1 * draws(100))
        norm.beta.assign(0.1 * draws(100))
        hidden = model.get_layer(f"hidden{i}")
        assert hidden.bias is None
        a = expected @ hidden.kernel.numpy()
        a = (a - a.mean(0)) / np.sqrt(a.var(0) + 1e-3)
        expected = sigmoid(a * norm.gamma.numpy() + norm.beta.numpy())
    last = model.get_layer("classifier")
    expected = expected @ last.kernel.numpy() + last.bias.numpy()
    np.testing.assert_allclose(model(x, training=True), expected, 1e-3, 1e-3)


@pytest.mark.parametrize("variant", BOTH)
def test_weights_start_as_small_gaussians(variant):
    keras.utils.set_random_seed(0)
    model = build_model(variant)
    kernels = [v.numpy() for v in model.trainable_variables if v.ndim == 2]
    assert [round(float(k.std()) / SPREAD, 1) for k in kernels] == [1.0] * 4
    tails = np.abs(kernels[0]) > 2 * SPREAD
    assert tails.mean() == pytest.approx(0.0455, abs=0.005)  # not truncated


def test_a_binary_image_has_zeros_and_ones():
    image = np.array([0, 127, 128, 255], "float32").reshape(2, 2, 1)
    nothing = Context(top=0, left=0, mirrored=False, statistics=None)
    found = Binarize(128)(image, nothing).numpy()
    assert found.dtype == np.float32
    assert found.ravel().tolist() == [0, 0, 1, 1]
