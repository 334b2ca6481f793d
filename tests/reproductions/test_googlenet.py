"""GoogLeNet's facts: Table 1, Figure 3, Sections 5 and 6, BVLC's solver."""

import dataclasses
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
    RandomCrop,
    RandomFlip,
    ResizeShorterSide,
    SubtractChannelMean,
)
from common.models.layer_table import find_row, layer_table, totals
from common.models.layers import Dropout
from common.recipes.recipe import WeightDecay
from common.training.optimizers import rates_at
from tests.reproductions.helpers import draws

build_model = functools.partial(reproductions.build_model, "googlenet")
RECIPES = reproductions.load("googlenet").RECIPES
SMALLEST = 65
IMAGENET = 1_281_167  # training images
FRAME = (ResizeShorterSide(256), CentreCrop(256))  # Sec. 7


@pytest.fixture(scope="module")
def paper():
    keras.utils.set_random_seed(0)
    return build_model("googlenet")


@pytest.fixture(scope="module")
def rows(paper):
    return layer_table(paper)


@pytest.fixture
def small():
    keras.utils.set_random_seed(0)
    return build_model("googlenet", image_size=SMALLEST, num_classes=10)


def test_parameters_and_operations_to_the_last_digit(paper, rows):
    total = totals(rows)
    assert (total.params, total.weights) == (6_998_552, 6_990_272)
    assert total.macs == 1_582_671_872
    assert find_row(rows, "aux1").params == 3_188_840
    assert find_row(rows, "aux2").params == 3_190_888
    assert paper.count_params() == 13_378_280


def test_22_layers_have_parameters_and_5_pool(rows):
    assert totals(rows).depth == 22
    pools = [row.name for row in rows if row.name.startswith("pool")]
    assert pools == [f"pool{i}" for i in range(1, 6)]
    assert len([row for row in rows if row.main]) == 86


def test_layers_of_the_stem_stand_in_the_right_order(paper):
    names = [layer.name for layer in paper.layers]
    assert (
        names[1 : names.index("pool2") + 1]
        == ("conv1_pad conv1_7x7 pool1 norm1 conv2_3x3_reduce conv2_3x3 norm2 pool2").split()
    )


def test_every_convolution_has_a_relu(paper):
    found = [x for x in paper.layers if isinstance(x, keras.layers.Conv2D)]
    assert len(found) == 3 + 9 * 6 + 2
    assert {layer.activation for layer in found} == {keras.activations.relu}


def test_a_module_joins_1x1_3x3_5x5_and_projection_in_this_order(small):
    filters = {"1x1": 64, "3x3": 128, "5x5": 32, "pool_proj": 32}
    for value, branch in enumerate(filters, 1):
        layer = small.get_layer(f"inception_3a_{branch}")
        layer.kernel.assign(tf.zeros_like(layer.kernel))
        layer.bias.assign(tf.fill(layer.bias.shape, float(value)))
    module = keras.Model(small.input, small.get_layer("inception_3a_output").output)
    found = module(draws(1, SMALLEST, SMALLEST, 3)).numpy()
    np.testing.assert_array_equal(found[0, 0, 0], np.repeat([1, 2, 3, 4], list(filters.values())))


@pytest.mark.parametrize("variant", ["googlenet", "googlenet_separable"])
def test_conv1_looks_three_pixels_to_either_side(variant):
    model = build_model(variant, image_size=66, num_classes=2)
    output = "conv1_7x7" if variant == "googlenet" else "conv1_depthwise"
    layer = model.get_layer(output)
    centre = np.zeros(layer.kernel.shape, "float32")
    centre[3, 3, 0, 0] = 1  # red, as it is
    layer.kernel.assign(centre)
    image = abs(draws(1, 66, 66, 3))
    bias = 0.2 if variant == "googlenet" else 0.0
    found = keras.Model(model.input, layer.output)(image).numpy()
    np.testing.assert_allclose(found[..., 0], image[:, ::2, ::2, 0] + bias, rtol=1e-5)


def test_poolings_cut_their_windows_off_at_the_border(paper):
    x = draws(1, 6, 6, 2)
    found = paper.get_layer("pool1")(x).numpy()
    for row in range(3):
        for column in range(3):
            window = x[0, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            np.testing.assert_array_equal(found[0, row, column], window.max((0, 1)))


def test_auxiliary_pooling_averages_5x5_every_3_places(paper):
    x = draws(1, 14, 14, 2)
    found = paper.get_layer("aux1_pool")(x).numpy()
    assert found.shape == (1, 4, 4, 2)
    for row in range(4):
        for column in range(4):
            window = x[0, 3 * row : 3 * row + 5, 3 * column : 3 * column + 5]
            np.testing.assert_allclose(
                found[0, row, column], window.mean((0, 1)), rtol=1e-4, atol=1e-6
            )


def test_lrn_is_caffes(paper):
    a = draws(2, 3, 4, 64, scale=100)
    b = np.zeros_like(a)
    for i in range(64):
        near = a[..., max(0, i - 2) : i + 3].astype("float64")
        total = (near**2).sum(-1)
        b[..., i] = a[..., i] / (1 + 1e-4 / 5 * total) ** 0.75
    for name in ("norm1", "norm2"):
        np.testing.assert_allclose(paper.get_layer(name)(a), b, rtol=1e-4)


@pytest.mark.parametrize("name,module", [("aux1", "4a"), ("aux2", "4d")])
def test_auxiliary_classifiers_have_section_5s_layers(name, module, paper):
    def layer(part):
        return paper.get_layer(f"{name}_{part}")

    trunk = paper.get_layer(f"inception_{module}_output")
    assert layer("pool").input is trunk.output
    maps = {"4a": 512, "4d": 528}[module]
    shapes = {
        part: layer(part).output.shape[1:]
        for part in ("pool", "conv", "flatten", "fc", "classifier")
    }
    assert shapes == {
        "pool": (4, 4, maps),
        "conv": (4, 4, 128),
        "flatten": (2048,),
        "fc": (1024,),
        "classifier": (1000,),
    }
    assert layer("fc").activation is keras.activations.relu
    number = ["main", "aux1", "aux2"].index(name)
    assert paper.outputs[number] is layer("classifier").output


def test_the_main_logits_come_first(paper):
    assert paper.outputs[0] is paper.get_layer("classifier").output
    assert len(paper.outputs) == 3


@pytest.mark.parametrize(
    "name,rate", [("dropout", 0.4), ("aux1_dropout", 0.7), ("aux2_dropout", 0.7)]
)
def test_dropout_drops_what_the_paper_says(name, rate, paper):
    layer = paper.get_layer(name)
    assert isinstance(layer, Dropout)
    dropped = layer(np.ones((32, 1024), "float32"), training=True).numpy() == 0
    assert abs(dropped.mean() - rate) < 0.02
    before = keras.Model(paper.input, layer.input)
    assert before.output.shape == (None, 1024)


def test_auxiliary_losses_count_three_tenths(small):
    loss = RECIPES["googlenet"].loss
    images, labels = draws(2, SMALLEST, SMALLEST, 3, scale=50), [3, 7]
    with tf.GradientTape(persistent=True) as tape:
        outputs = small(images, training=False)
        main, aux1, aux2 = (
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels, output) for output in outputs
        )
        total = loss(outputs, tf.constant(labels))
    np.testing.assert_allclose(total, main + 0.3 * (aux1 + aux2), rtol=1e-6)
    for name, part in (("aux1", aux1), ("aux2", aux2)):
        kernels = [
            small.get_layer(f"{name}_{layer}").kernel for layer in ("conv", "fc", "classifier")
        ]
        found = tape.gradient(total, kernels)
        wanted = tape.gradient(part, kernels)
        for one, other in zip(found, wanted, strict=True):
            assert tf.reduce_max(abs(one)) > 0
            np.testing.assert_allclose(one, 0.3 * other, rtol=1e-4, atol=1e-6)
    # What stands behind the second of them learns from the main loss alone.
    last = small.get_layer("inception_5b_1x1").kernel
    assert tape.gradient(aux1, last) is None
    assert tape.gradient(aux2, last) is None


def test_separable_conv1_has_table_1s_numbers():
    table = layer_table(build_model("googlenet_separable"))
    conv1 = find_row(table, "conv1")
    assert conv1.weights == 7 * 7 * 3 * 8 + 24 * 64 == 2_712
    assert conv1.params == 2_712 + 64
    assert conv1.macs == 34_019_328
    assert conv1.output == (112, 112, 64)
    total = totals(table)
    assert (total.params, total.macs) == (6_991_856, 1_498_677_248)


def test_separable_conv1_is_linear_between_its_parts():
    model = build_model("googlenet_separable", image_size=65, num_classes=2)
    depthwise = model.get_layer("conv1_depthwise")
    assert not depthwise.use_bias
    assert depthwise.activation is keras.activations.linear
    assert model.get_layer("conv1_pointwise").use_bias


FAN_IN = {
    "conv1_7x7": 7 * 7 * 3,
    "conv2_3x3": 3 * 3 * 64,
    "inception_3a_5x5": 5 * 5 * 16,
    "inception_5b_pool_proj": 832,
    "aux1_conv": 512,
    "aux2_fc": 3 * 3 * 128,
    "classifier": 1024,
    "aux1_classifier": 1024,
}


def test_initial_weights_are_bvlcs():
    keras.utils.set_random_seed(0)
    model = build_model("googlenet", image_size=176, num_classes=50)
    for name, fan_in in FAN_IN.items():
        layer, limit = model.get_layer(name), math.sqrt(3 / fan_in)
        kernel = layer.kernel.numpy()
        assert 0.99 * limit < abs(kernel).max() <= limit, name
        np.testing.assert_allclose(kernel.std(), limit / math.sqrt(3), rtol=0.03, err_msg=name)
        bias = np.float32(0 if "classifier" in name else 0.2)
        np.testing.assert_array_equal(layer.bias, bias, err_msg=name)


def test_initial_weights_of_the_separable_conv1_see_one_colour():
    keras.utils.set_random_seed(0)
    model = build_model("googlenet_separable", image_size=65, num_classes=2)
    kernel = model.get_layer("conv1_depthwise").kernel.numpy()
    limit = math.sqrt(3 / 49)
    assert 0.98 * limit < abs(kernel).max() <= limit


def test_recipe_of_the_paper():
    recipe = RECIPES["googlenet"]
    assert recipe.optimizer.momentum == 0.9
    assert recipe.loss.weight == 0.3
    assert recipe.average_decay == 0.9999
    assert (recipe.epochs, recipe.global_batch_size) == (250, 32)
    assert recipe.weight_decay == WeightDecay(rate=2e-4, variables="kernel")
    assert recipe.group_schedules == ()
    assert recipe.train_transforms == (
        RandomAreaCrop(
            size=224,
            area=(0.08, 1.0),
            aspect=(3 / 4, 4 / 3),
            resampling=("bilinear", "area", "nearest", "bicubic"),
        ),
        RandomFlip(),
        PhotometricDistortions(low=0.5, high=1.5),
    )
    assert recipe.test_transforms == FRAME
    assert recipe.normalize == SubtractChannelMean()
    assert recipe.train_noise == ()
    separable = RECIPES["googlenet_separable"]
    assert dataclasses.replace(separable, deviations=recipe.deviations) == recipe


def test_recipe_of_bvlc():
    recipe = RECIPES["bvlc_googlenet"]
    same = ("global_batch_size", "optimizer", "weight_decay", "loss")
    same += ("normalize", "train_noise", "test_transforms")
    for field in same:
        wanted = getattr(RECIPES["googlenet"], field)
        assert getattr(recipe, field) == wanted, field
    assert recipe.train_transforms == (*FRAME, RandomCrop(224), RandomFlip())
    assert recipe.views == ("centre_crop",)
    assert [g.variables for g in recipe.group_schedules] == ["bias"]


def rates(variant, **place):
    place = {"epoch": 0, "step": 0, "steps_per_epoch": 1} | place
    return rates_at(RECIPES[variant], history=[], **place)


@pytest.mark.parametrize(
    "epoch,wanted", [(0, 0.01), (7, 0.01), (8, 0.0096), (16, 0.009216), (249, 0.01 * 0.96**31)]
)
def test_rate_falls_by_4_percent_every_8_epochs(epoch, wanted):
    np.testing.assert_allclose(rates("googlenet", epoch=epoch), [wanted])


@pytest.mark.parametrize(
    "step,wanted",
    [
        (0, 0.01),
        (600_000, 0.01 * 0.75**0.5),
        (1_200_000, 0.01 * 0.5**0.5),
        (2_399_999, 0.01 * (1 / 2_400_000) ** 0.5),
        (2_400_000, 0.0),
        (2_400_001, 0.0),
    ],
)
def test_rate_of_bvlcs_quick_solver(step, wanted):
    found = rates("bvlc_googlenet", step=step)  # biases first
    np.testing.assert_allclose(found, [2 * wanted, wanted])


def test_quick_solver_ends_within_its_60th_pass():
    recipe = RECIPES["bvlc_googlenet"]
    steps = IMAGENET // recipe.global_batch_size
    assert 59 * steps < recipe.updates <= recipe.epochs * steps
    assert recipe.average_decay is None
