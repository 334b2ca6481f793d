"""Figure 5, Section 4.2 and the Appendix of the batch normalization paper."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data.transforms import Binarize
from common.data.transforms.pixels import Context
from common.errors import UsageError
from reproductions.bn_inception.model import FORMS, MODULES, SPREAD
from tests.reproductions.graphs import draws, graph_of

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


@pytest.mark.parametrize("module", MODULES)
def test_each_module_pools_as_figure_5_says(module, graph):
    pool = graph.get_layer(f"inception_{module}_pool")
    largest = isinstance(pool, keras.layers.MaxPooling2D)
    assert largest == (module in ("3c", "4e", "5b"))
    assert largest or isinstance(pool, keras.layers.AveragePooling2D)
    assert pool.pool_size == (3, 3)
    join = graph.get_layer(f"inception_{module}_output")
    if module in ("3c", "4e"):  # "pass through"
        assert pool.strides == (2, 2)
        assert join.input[-1] is pool.output
    else:
        assert pool.strides == (1, 1)
        projection = graph.get_layer(f"inception_{module}_pool_proj")
        assert projection.input is pool.output


@pytest.mark.parametrize("module", ["3c", "4e"])
def test_modules_with_stride_2_have_it_in_all_three_branches(module, graph):
    names = [layer.name for layer in graph.layers]
    name = f"inception_{module}"
    assert f"{name}_1x1" not in names
    assert f"{name}_pool_proj" not in names
    strided = {
        layer.name.removeprefix(f"{name}_")
        for layer in graph.layers
        if layer.name.startswith(name) and getattr(layer, "strides", None) == (2, 2)
    }
    assert strided == {"3x3", "double_3x3_2", "pool"}


@pytest.mark.parametrize("module", MODULES)
def test_branches_join_in_the_order_of_the_table(module, graph):
    join = graph.get_layer(f"inception_{module}_output")
    ones, _, threes, _, doubles, _, projection = MODULES[module]
    maps = [threes, doubles, projection or join.input[-1].shape[-1]]
    assert [x.shape[-1] for x in join.input] == ([ones] if ones else []) + maps


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


def test_batch_norm_takes_the_mean_and_variance_of_each_map():
    # Alg. 1 and Sec. 3.2: over the mini-batch and all places.
    norm = small("bn_inception").get_layer("inception_4b_3x3_bn")
    x = 3 + draws(4, 5, 6, 128, scale=2)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    found = norm(x, training=True).numpy()
    np.testing.assert_allclose(found, (x - mean) / np.sqrt(variance + 1e-3), atol=1e-4)
    for moving, start, new in ((norm.moving_mean, 0, mean), (norm.moving_variance, 1, variance)):
        moved = (np.float64(moving) - start) / (1 - norm.momentum)
        np.testing.assert_allclose(moved, new - start, rtol=5e-3, atol=1e-3)


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


@pytest.mark.parametrize("variant", FORMS)
def test_lrn_and_dropout_are_only_where_section_4_2_1_leaves_them(variant):
    model = graph_of("bn_inception", variant)
    old = variant in ("bn_baseline", "inception_no_bn", "inception_no_bn_sigmoid")
    names = [layer.name for layer in model.layers]
    stem = [n for n in names if n.startswith(("pool", "norm"))]
    assert stem == (["pool1", "norm1", "norm2", "pool2"] if old else ["pool1", "pool2"])


def test_strided_convolutions_look_to_either_side_alike(graph):
    # Nothing between conv1's two: the rank is what makes them one convolution.
    depthwise = graph.get_layer("conv1_depthwise")
    assert graph.get_layer("conv1_pointwise").input is depthwise.output
    assert depthwise.activation is keras.activations.linear
    for name, pixels in (
        ("conv1_depthwise", 3),
        ("inception_3c_3x3", 1),
        ("inception_4e_double_3x3_2", 1),
    ):
        layer = graph.get_layer(name)
        assert layer.padding == "valid"
        pad = layer.input._keras_history.operation
        assert pad.padding == ((pixels, pixels), (pixels, pixels))


def test_average_pooling_counts_zeros_in_the_caffe_network_only(graph):
    corner = np.zeros((1, 4, 4, 1), "float32")
    corner[0, 0, 0, 0] = 9
    caffe = graph_of("bn_inception", "bn_inception_caffe")
    pool = graph.get_layer("inception_3a_pool")
    np.testing.assert_allclose(pool(corner)[0, 0, 0], [9 / 4])
    assert pool(corner).shape == (1, 4, 4, 1)
    padded = caffe.get_layer("inception_3a_pool_pad")(corner)
    pooled = caffe.get_layer("inception_3a_pool")(padded)
    np.testing.assert_allclose(pooled[0, 0, 0], [1])
    assert pooled.shape == (1, 4, 4, 1)


def test_max_pooling_cuts_its_windows_off_at_the_border(graph):
    x = -1 - abs(draws(1, 6, 6, 2))  # no zero of a padding may win
    found = graph.get_layer("inception_3c_pool")(x).numpy()
    assert found.shape == (1, 3, 3, 2)
    for row in range(3):
        for column in range(3):
            window = x[0, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            np.testing.assert_array_equal(found[0, row, column], window.max((0, 1)))


@pytest.mark.parametrize("size", [1, 33, 47])
def test_figure_5_takes_images_of_any_size(size):
    model = graph_of("bn_inception", "bn_inception", image_size=size, num_classes=10)
    last = -(-size // 32)
    assert model.get_layer("inception_5b_output").output.shape[1:3] == (last, last)
    assert model.output.shape == (None, 10)


@pytest.mark.parametrize("size", [30, 33, 48, 223 - 16])
def test_sizes_that_caffes_network_cannot_halve_are_refused(size):
    with pytest.raises(UsageError, match=f"{size}x{size}.*31x31 and more"):
        build_model("bn_inception_caffe", image_size=size)


@pytest.mark.parametrize("size,last", [(31, 1), (32, 1), (191, 6), (224, 7)])
def test_caffes_network_takes_sizes_that_it_can_halve(size, last):
    model = graph_of("bn_inception", "bn_inception_caffe", image_size=size)
    assert model.get_layer("avg_pool").input.shape[1:3] == (last, last)


# The small network of Section 4.1 of the batch normalization paper.


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
