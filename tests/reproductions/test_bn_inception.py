"""Figure 5, Section 4.2 and the Appendix of the batch normalization paper."""

import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data.transforms import (
    CentreCrop,
    PhotometricDistortions,
    RandomAreaCrop,
    RandomFlip,
    ResizeShorterSide,
    SubtractChannelMean,
)
from common.errors import UsageError
from common.models.layer_table import find_row, totals, without_weights
from common.models.layers import Dropout
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import WeightDecay
from reproductions.bn_inception.forms import FORMS
from reproductions.bn_inception.model import MODULES
from tests.reproductions.helpers import draws, graph_of, rows_of

build_model = functools.partial(reproductions.build_model, "bn_inception")
RECIPES = reproductions.load("bn_inception").RECIPES
IMAGENET = 1_281_167  # training images
SIZE = 64  # of the networks that compute something


@pytest.fixture
def graph():
    return graph_of("bn_inception", "bn_inception")


def small(variant):
    keras.utils.set_random_seed(0)
    return build_model(variant, image_size=SIZE, num_classes=10)


def kinds(model):
    return {type(layer).__name__ for layer in model.layers}


@pytest.mark.parametrize("variant", FORMS)
def test_a_separable_first_convolution_is_one_layer_more(variant):
    assert totals(rows_of("bn_inception", variant)).depth == 35 - (variant == "bn_inception_caffe")


@pytest.mark.parametrize(
    "module,maps", [("4b", 576), ("4c", 576), ("4d", 576), ("4e", 1024), ("5a", 1024)]
)
def test_narrow_projections_give_the_figures_output_sizes(module, maps):
    row = find_row(rows_of("bn_inception", "bn_inception_narrow"), f"inception_{module}")
    assert row.output[-1] == maps


# Figure 5's last column.
POOLING = {
    "3a": "avg + 32",
    "3b": "avg + 64",
    "3c": "max + pass through",
    "4a": "avg + 128",
    "4b": "avg + 128",
    "4c": "avg + 128",
    "4d": "avg + 128",
    "4e": "max + pass through",
    "5a": "avg + 128",
    "5b": "max + 128",
}


@pytest.mark.parametrize("module", POOLING)
def test_each_module_pools_as_figure_5_says(module, graph):
    kind, then = POOLING[module].split(" + ")
    pool = graph.get_layer(f"inception_{module}_pool")
    wanted = {"avg": keras.layers.AveragePooling2D, "max": keras.layers.MaxPooling2D}[kind]
    assert isinstance(pool, wanted)
    assert pool.pool_size == (3, 3)
    join = graph.get_layer(f"inception_{module}_output")
    if then == "pass through":
        assert pool.strides == (2, 2)
        assert join.input[-1] is pool.output
    else:
        assert pool.strides == (1, 1)
        projection = graph.get_layer(f"inception_{module}_pool_proj")
        assert projection.filters == int(then)
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


def test_double_3x3_are_two_of_the_same_width_in_a_row(graph):
    for module in MODULES:
        name = f"inception_{module}_double_3x3"
        one, two = (graph.get_layer(f"{name}_{i}") for i in (1, 2))
        assert one.kernel_size == two.kernel_size == (3, 3)
        assert one.filters == two.filters == MODULES[module][4]


def test_batch_norm_stands_between_convolution_and_nonlinearity(graph):
    convolutions = [layer for layer in graph.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 3 + 8 * 7 + 2 * 5
    for layer in convolutions:
        norm = graph.get_layer(f"{layer.name}_bn")
        activation = graph.get_layer(f"{layer.name}_relu")
        assert not layer.use_bias  # Sec. 3.2: beta takes its place
        assert layer.activation is keras.activations.linear
        assert norm.input is layer.output
        assert activation.input is norm.output


def constants(variant):
    model = graph_of("bn_inception", variant)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return {(x.epsilon, x.momentum, x.scale, x.center) for x in norms}


def test_constants_of_batch_normalisation():
    assert constants("bn_inception") == {(1e-3, 0.9997, True, True)}
    assert constants("bn_baseline") == {(1e-3, 0.9997, True, True)}
    assert constants("bn_inception_caffe") == {(1e-5, 0.9997, True, True)}
    assert constants("inception_no_bn") == set()


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
    norm = small("bn_inception").get_layer("inception_4a_3x3_bn")
    x = 3 + draws(4, 5, 6, 96, scale=2)
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
    found = {"LocalResponseNormalization", "Dropout"} & kinds(model)
    assert found == ({"LocalResponseNormalization", "Dropout"} if old else set())
    if old:
        names = [layer.name for layer in model.layers]
        stem = [n for n in names if n.startswith(("pool", "norm"))]
        assert stem == ["pool1", "norm1", "norm2", "pool2"]
        assert isinstance(model.get_layer("dropout"), Dropout)
        assert model.get_layer("dropout").rate == 0.4
        assert model.get_layer("classifier").input is (model.get_layer("dropout").output)


@pytest.mark.parametrize("variant", FORMS)
def test_the_nonlinearity_is_relu_but_for_the_sigmoid_networks(variant):
    model = graph_of("bn_inception", variant)
    found = {
        layer.activation.__name__
        for layer in model.layers
        if isinstance(layer, keras.layers.Activation)
    }
    assert found == {"sigmoid" if variant.endswith("sigmoid") else "relu"}


def test_conv1_is_separable_with_depth_multiplier_8(graph):  # Appendix
    depthwise = graph.get_layer("conv1_depthwise")
    assert depthwise.depth_multiplier == 8
    assert (depthwise.kernel_size, depthwise.strides) == ((7, 7), (2, 2))
    assert not depthwise.use_bias
    assert depthwise.activation is keras.activations.linear
    assert depthwise.output.shape[1:] == (112, 112, 24)
    # Nothing between the two: the rank is what makes them one convolution.
    assert graph.get_layer("conv1_pointwise").input is depthwise.output


def test_strided_convolutions_look_to_either_side_alike(graph):
    for name, pixels in (
        ("conv1_depthwise", 3),
        ("inception_3c_3x3", 1),
        ("inception_4e_double_3x3_2", 1),
    ):
        layer = graph.get_layer(name)
        assert layer.padding == "valid"
        pad = layer.input._keras_history.operation
        assert pad.padding == ((pixels, pixels), (pixels, pixels))


def test_average_pooling_counts_zeros_in_the_caffe_network_only():
    corner = np.zeros((1, 4, 4, 1), "float32")
    corner[0, 0, 0, 0] = 9
    paper, caffe = (
        graph_of("bn_inception", "bn_inception"),
        graph_of("bn_inception", "bn_inception_caffe"),
    )
    pool = paper.get_layer("inception_3a_pool")
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


# TF-slim, inception_v2: the deviation before the cut at twice of it, which
# leaves 0.88 of it; "he" makes up for that.
INITIAL = {
    "conv1_depthwise": 1.0,
    "conv1_pointwise": 1.0,
    "conv2_3x3_reduce": 0.1,
    "conv2_3x3": "he",
    "inception_3a_1x1": "he",
    "inception_3c_3x3_reduce": 0.09,
    "inception_4a_double_3x3_reduce": 0.09,
    "inception_4e_double_3x3_2": "he",
    "inception_5b_pool_proj": 0.1,
    "classifier": "he",
}


def test_initial_weights_are_slims_with_batch_normalisation():
    model = small("bn_inception")
    for name, deviation in INITIAL.items():
        kernel = model.get_layer(name).kernel.numpy()
        wanted = 0.8796 * deviation if deviation != "he" else 0
        wanted = wanted or math.sqrt(2 / np.prod(kernel.shape[:-1]))
        np.testing.assert_allclose(kernel.std(), wanted, rtol=0.05)
        assert abs(kernel).max() < 2.4 * wanted, name  # it is cut off


def test_initial_weights_are_googlenets_without():
    model = small("inception_no_bn")
    fan_in = {
        "conv1_depthwise": 49,  # one colour
        "conv1_pointwise": 24,
        "inception_4e_double_3x3_2": 9 * 256,
        "classifier": 1024,
    }
    for name, fan in fan_in.items():
        limit = math.sqrt(3 / fan)
        kernel = model.get_layer(name).kernel.numpy()
        assert 0.98 * limit < abs(kernel).max() <= limit, name
    assert set(model.get_layer("conv2_3x3").bias.numpy()) == {np.float32(0.2)}
    assert set(model.get_layer("classifier").bias.numpy()) == {0.0}


@pytest.mark.parametrize("size", [1, 33, 47])
def test_figure_5_takes_images_of_any_size(size):
    with without_weights():
        model = build_model("bn_inception", image_size=size, num_classes=10)
    last = -(-size // 32)
    assert model.get_layer("inception_5b_output").output.shape[1:3] == (last, last)
    assert model.output.shape == (None, 10)


@pytest.mark.parametrize("size", [30, 33, 48, 223 - 16])
def test_sizes_that_caffes_network_cannot_halve_are_refused(size):
    with pytest.raises(UsageError, match=f"{size}x{size}.*31x31 and more"):
        build_model("bn_inception_caffe", image_size=size)


@pytest.mark.parametrize("size,last", [(31, 1), (32, 1), (191, 6), (224, 7)])
def test_caffes_network_takes_sizes_that_it_can_halve(size, last):
    with without_weights():
        model = build_model("bn_inception_caffe", image_size=size)
    assert model.get_layer("avg_pool").input.shape[1:3] == (last, last)


def rate(variant, **place):
    place = {"epoch": 0, "step": 0, "steps_per_epoch": 1} | place
    recipe = RECIPES[variant]
    factor = recipe.schedule.factor(history=[], **place)
    return recipe.optimizer.learning_rate * factor


@pytest.mark.parametrize(
    "variant,first",
    [
        ("inception_no_bn", 0.0015),
        ("bn_baseline", 0.0015),
        ("bn_x5", 0.0075),
        ("bn_x5_sigmoid", 0.0075),
        ("bn_inception", 0.045),
    ],
)
def test_initial_rates_of_section_4_2_2(variant, first):
    np.testing.assert_allclose(rate(variant), first)


@pytest.mark.parametrize("epoch", [24, 48, 96])
def test_the_rate_falls_6_times_faster_with_section_4_2_1(epoch):
    old = rate("inception_no_bn", epoch=6 * epoch) / rate("inception_no_bn")
    new = rate("bn_inception", epoch=epoch) / rate("bn_inception")
    np.testing.assert_allclose(new, old)
    np.testing.assert_allclose(old, 0.96 ** (6 * epoch // 8))


def test_section_4_2_1_changes_the_training():
    plain, fast = RECIPES["inception_no_bn"], RECIPES["bn_inception"]
    assert plain.weight_decay == WeightDecay(rate=2e-4, variables="kernel")
    assert fast.weight_decay == WeightDecay(rate=4e-5, variables="kernel")
    wide, narrow = (r.train_transforms[-1] for r in (plain, fast))
    assert wide == PhotometricDistortions(low=0.5, high=1.5)
    assert narrow == PhotometricDistortions(low=0.75, high=1.25)


@pytest.mark.parametrize("variant", FORMS)
def test_the_rest_of_the_training_is_the_same_for_all(variant):
    recipe = RECIPES[variant]
    assert recipe.global_batch_size == 32
    assert recipe.optimizer.momentum == 0.9 and not recipe.optimizer.nesterov
    assert recipe.average_decay is None and recipe.clip_global_norm is None
    assert recipe.loss == SoftmaxCrossEntropy()
    assert recipe.train_transforms[:-1] == (
        RandomAreaCrop(
            size=224,
            area=(0.08, 1.0),
            aspect=(3 / 4, 4 / 3),
            resampling=("bilinear", "area", "nearest", "bicubic"),
        ),
        RandomFlip(),
    )
    assert recipe.normalize == SubtractChannelMean()
    assert recipe.test_transforms == (ResizeShorterSide(256), CentreCrop(256))
    assert recipe.views == ("centre_crop",)


@pytest.mark.parametrize("variant", FORMS)
def test_updates_end_within_the_last_pass(variant):
    recipe = RECIPES[variant]
    plain = variant in ("bn_baseline",) or variant.startswith("inception_no")
    assert recipe.updates == (31_000_000 if plain else 6_000_000)
    steps = IMAGENET // recipe.global_batch_size
    assert steps * (recipe.epochs - 1) < recipe.updates <= steps * recipe.epochs


def test_statistics_are_of_the_mini_batch_on_any_number_of_devices():
    assert all(r.synchronized_batch_norm for r in RECIPES.values())
