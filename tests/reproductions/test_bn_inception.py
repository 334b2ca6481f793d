"""Figure 5, Section 4.2 and the Appendix of the batch normalization paper."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data.transforms import Binarize
from common.errors import UsageError
from reproductions.bn_inception.model import MODULES
from tests.reproductions.graphs import context, draws, graph_of

build_model = functools.partial(reproductions.build_model, "bn_inception")
RECIPES = reproductions.load("bn_inception").RECIPES
SIZE = 64  # of the networks that compute something


@pytest.fixture
def graph():
    return graph_of("bn_inception", "bn_inception")


@functools.cache
def small(variant):
    keras.utils.set_random_seed(0)
    return build_model(variant, image_size=SIZE, num_classes=10)


def test_modules_pool_as_figure_5_says_and_3c_and_4e_have_stride_2(graph):
    pools = {module: graph.get_layer(f"inception_{module}_pool") for module in MODULES}
    largest = {m for m, pool in pools.items() if isinstance(pool, keras.layers.MaxPooling2D)}
    assert largest == {"3c", "4e", "5b"}
    average = [pool for module, pool in pools.items() if module not in largest]
    assert all(isinstance(pool, keras.layers.AveragePooling2D) for pool in average)
    assert {pool.pool_size for pool in pools.values()} == {(3, 3)}
    assert {x.name for x in graph.layers if getattr(x, "strides", None) == (2, 2)} == {
        *("conv1_depthwise", "pool1", "pool2"),  # no pooling between modules
        *(f"inception_{m}_{p}" for m in ("3c", "4e") for p in ("3x3", "double_3x3_2", "pool")),
    }


def test_a_scale_of_the_weights_changes_nothing():
    # Sec. 3.3: BN((a W) u) = BN(W u), d BN((a W) u) / d (a W) = 1/a of it.
    model = small("bn_inception")
    layer = model.get_layer("inception_4a_3x3")
    norm = model.get_layer("inception_4a_3x3_bn")
    maps = draws(4, 4, 4, 64, scale=60)

    def normalized_and_gradient():
        with tf.GradientTape() as tape:
            values = norm(layer(maps), training=True)
            loss = tf.reduce_sum(values[:, 0] ** 3)
        return values.numpy(), tape.gradient(loss, layer.kernel).numpy()

    before, gradient = normalized_and_gradient()
    layer.kernel.assign(8 * layer.kernel)
    after, smaller = normalized_and_gradient()
    np.testing.assert_allclose(after, before, atol=1e-4)
    np.testing.assert_allclose(8 * smaller, gradient, atol=1e-3)
    assert abs(gradient).max() > 1


def test_without_batch_norm_no_gradient_crosses_the_sigmoids():
    # Sec. 4.2.2: one never leaves chance, the other learns.
    images, labels = draws(8, SIZE, SIZE, 3, scale=60), np.arange(8)
    parts = {}
    for variant in ("bn_x5_sigmoid", "inception_no_bn_sigmoid"):
        model = small(variant)
        kernel = model.get_layer("conv1_depthwise").kernel
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = RECIPES[variant].loss(logits, labels)
        gradient = tape.gradient(loss, kernel)
        parts[variant] = float(tf.norm(gradient) / tf.norm(kernel))
    assert parts["bn_x5_sigmoid"] > 1e-3
    assert parts["inception_no_bn_sigmoid"] < 1e-6


def test_the_baselines_lrn_stands_where_googlenets_does():
    names = [layer.name for layer in graph_of("bn_inception", "bn_baseline").layers]
    stem = [name for name in names if name.startswith(("pool", "norm"))]
    assert stem == ["pool1", "norm1", "norm2", "pool2"]


def test_the_separable_conv1_looks_to_either_side_alike(graph):
    # Nothing between its two: the rank is what makes them one convolution.
    depthwise = graph.get_layer("conv1_depthwise")
    assert graph.get_layer("conv1_pointwise").input is depthwise.output
    assert depthwise.activation is keras.activations.linear
    assert depthwise.padding == "valid"
    pad = depthwise.input._keras_history.operation
    assert pad.padding == ((3, 3), (3, 3))


def test_average_pooling_counts_no_zeros(graph):  # in the caffe network: golden logits
    corner = np.zeros((1, 4, 4, 1), "float32")
    corner[0, 0, 0, 0] = 9
    pooled = graph.get_layer("inception_3a_pool")(corner)
    np.testing.assert_allclose(pooled[0, 0, 0], [9 / 4])
    assert pooled.shape == (1, 4, 4, 1)


@pytest.mark.parametrize("size", [30, 33, 48, 223 - 16])
def test_sizes_that_caffes_network_cannot_halve_are_refused(size):
    with pytest.raises(UsageError, match=f"{size}x{size}.*31x31 and more"):
        build_model("bn_inception_caffe", image_size=size)


@pytest.mark.parametrize("size,last", [(31, 1), (32, 1), (191, 6), (224, 7)])
def test_caffes_network_takes_sizes_that_it_can_halve(size, last):
    model = graph_of("bn_inception", "bn_inception_caffe", image_size=size)
    assert model.get_layer("avg_pool").input.shape[1:3] == (last, last)


# The small network of Section 4.1 of the batch normalization paper.


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


def test_a_binary_image_has_zeros_and_ones():
    image = np.array([0, 127, 128, 255], "float32").reshape(2, 2, 1)
    found = Binarize(128)(image, context(0)).numpy()
    assert found.dtype == np.float32
    assert found.ravel().tolist() == [0, 0, 1, 1]
