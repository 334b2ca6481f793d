"""The networks and the recipes of Inception-v4's paper."""

import dataclasses
import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data.rng import ExampleRng
from common.data.transforms import (
    CentreCrop,
    Context,
    DistortedBoxCrop,
    RandomFlip,
    ResizeShorterSide,
    ScalePixels,
)
from common.models.layer_table import find_row, layer_table, totals, without_weights
from common.models.layers import Dropout
from common.recipes.losses import SmoothedCrossEntropy, WithAuxiliary
from common.recipes.recipe import RmsProp
from reproductions.inception_v4.distortions import BrightnessAndSaturation
from reproductions.inception_v4.model import FORMS, inception
from reproductions.inception_v4.modules import Module, Residual, conv
from tests.reproductions.helpers import draws

build_model = functools.partial(reproductions.build_model, "inception_v4")
RECIPES = reproductions.load("inception_v4").RECIPES
RESNETS = [name for name in FORMS if "resnet" in name]
MODULES = {  # how many on each grid, and their maps
    "inception_v4": [(4, 384), (7, 1024), (3, 1536)],
    "inception_resnet_v1": [(5, 256), (10, 896), (5, 1792)],
    "inception_resnet_v2": [(5, 384), (10, 1152), (5, 2144)],
    "inception_v4_released": [(4, 384), (7, 1024), (3, 1536)],
    "inception_resnet_v2_released": [(10, 320), (20, 1088), (10, 2080)],
}
PLAIN, BRANCHING = (
    [(149, 32), (147, 32), (147, 64), (73, 64), (73, 80), (71, 192)],
    [(149, 32), (147, 32), (147, 64), (73, 160), (71, 192), (35, 384)],
)
STEMS = {
    "inception_v4": BRANCHING,
    "inception_resnet_v1": [*PLAIN, (35, 256)],
    "inception_resnet_v2": BRANCHING,
    "inception_v4_released": BRANCHING,
    "inception_resnet_v2_released": [*PLAIN, (35, 192), (35, 320)],
}

each_variant = pytest.mark.parametrize("variant", FORMS)
each_resnet = pytest.mark.parametrize("variant", RESNETS)


@pytest.fixture(scope="module")
def networks():
    with without_weights():
        return {variant: build_model(variant) for variant in FORMS}


@pytest.fixture(scope="module")
def tables(networks):
    return {name: layer_table(model) for name, model in networks.items()}


def shape(model, name):
    return tuple(model.get_layer(name).output.shape[1:])


def output(model, name):
    """The last layer of a module or of a layer of the stem."""
    names = {layer.name for layer in model.layers}
    for end in ("_output", "_relu", ""):
        if name + end in names:
            return name + end
    raise KeyError(name)


def test_the_released_checkpoints_have_as_many_weights(networks, tables):
    released = {
        "inception_v4_released": (42_649_769, 46_039_280),
        "inception_resnet_v2_released": (55_814_729, 59_211_120),
    }
    for variant, (slim, with_auxiliary) in released.items():
        rows = tables[variant]
        norms = sum(row.params for row in rows if row.main and row.kind == "BatchNormalization")
        assert totals(rows).params - norms // 2 + 1536 + 1 == slim
        trainable = networks[variant].trainable_variables
        assert sum(np.prod(v.shape) for v in trainable) == with_auxiliary
    # keras.applications: offsets and two moments, no scales
    assert totals(rows).params - norms // 2 + norms == 55_873_736


@each_variant
def test_every_grid_and_every_join(variant, networks):
    model = networks[variant]
    stem = [
        shape(model, output(model, name))
        for name in FORMS[variant].modules
        if name.startswith("stem")
    ]
    assert stem == [(side, side, maps) for side, maps in STEMS[variant]]
    kind = "inception_resnet" if variant in RESNETS else "inception"
    for letter, side, (count, maps) in zip("abc", (35, 17, 8), MODULES[variant], strict=True):
        names = [name for name in FORMS[variant].modules if name.startswith(f"{kind}_{letter}_")]
        assert names == [f"{kind}_{letter}_{i + 1}" for i in range(count)]
        for name in names:
            assert shape(model, f"{name}_output") == (side, side, maps), name
    (_, b), (_, c) = MODULES[variant][1:]
    assert shape(model, "reduction_a_output") == (17, 17, b)
    assert shape(model, "reduction_b_output") == (8, 8, c)
    last = 1536 if variant.endswith("v2_released") else c
    assert shape(model, "flatten") == (last,)


def test_the_stems_of_figure_3_join_as_many_maps_as_drawn(networks):
    for variant in ("inception_v4", "inception_v4_released"):
        model = networks[variant]
        parts = {
            name: [tensor.shape[-1] for tensor in model.get_layer(name).input]
            for name in ("stem_4_output", "stem_5_output", "stem_6_output")
        }
        assert parts == {
            "stem_4_output": [64, 96],
            "stem_5_output": [96, 96],
            "stem_6_output": [192, 192],
        }


def test_maps_in_front_of_the_linear_convolutions(networks):
    joined = {
        variant: [
            networks[variant].get_layer(f"inception_resnet_{letter}_1_mixed").output.shape[-1]
            for letter in "abc"
        ]
        for variant in RESNETS
    }
    assert joined == {
        "inception_resnet_v1": [96, 256, 384],
        "inception_resnet_v2": [128, 384, 448],
        "inception_resnet_v2_released": [128, 384, 448],
    }


def kernels(rows, *names):
    return [find_row(rows, name).kernel[:2] for name in names]


def test_the_release_has_the_long_kernels_in_the_other_order(tables):
    names = ["stem_5_7x7_2", "stem_5_7x7_3"]
    names += [f"inception_b_1_7x7dbl_{i}" for i in range(2, 6)]
    names += ["inception_c_1_3x3dbl_2", "inception_c_1_3x3dbl_3"]
    figures = kernels(tables["inception_v4"], *names)
    released = kernels(tables["inception_v4_released"], *names)
    assert figures == [*[(7, 1), (1, 7)], *[(1, 7), (7, 1), (1, 7), (7, 1)], *[(1, 3), (3, 1)]]
    assert released == [(width, height) for height, width in figures]
    same = ["inception_b_1_7x7_2", "inception_b_1_7x7_3"]
    same += ["inception_c_1_3x3_2a", "inception_c_1_3x3_2b"]
    for variant in ("inception_v4", "inception_v4_released"):
        found = kernels(tables[variant], *same)
        assert found == [(1, 7), (7, 1), (1, 3), (3, 1)]


def module(scale, *, relu=True):
    """A residual module on six maps, with random weights everywhere."""
    keras.utils.set_random_seed(0)
    x = keras.Input((5, 5, 6))
    form = Module(
        branches={"1x1": (conv(4, 1, 1),), "3x3": (conv(3, 3, 3),)}, residual=Residual(scale, relu)
    )
    model = keras.Model(x, inception(x, "m", form, (1.0, "fan_avg", "uniform")))
    linear = model.get_layer("m_linear")
    linear.bias.assign(np.random.default_rng(1).normal(size=6))
    return model


@pytest.mark.parametrize("scale", [0.1, 0.17, 0.2, 1.0])
@pytest.mark.parametrize("relu", [True, False])
def test_a_residual_is_scaled_then_added_then_cut_off(scale, relu):
    model, x = module(scale, relu=relu), draws(2, 5, 5, 6)
    branch = keras.Model(model.input, model.get_layer("m_linear").output)
    wanted = x + scale * branch(x).numpy()
    wanted = np.maximum(wanted, 0) if relu else wanted
    np.testing.assert_allclose(model(x).numpy(), wanted, rtol=1e-5, atol=1e-6)
    assert (wanted.min() < 0) is not relu


def test_a_branch_of_zeros_is_the_identity_to_the_last_bit():
    model = module(0.17)
    linear = model.get_layer("m_linear")
    linear.set_weights([np.zeros(w.shape) for w in linear.get_weights()])
    x = abs(draws(2, 5, 5, 6))
    np.testing.assert_array_equal(model(x).numpy(), x)


def test_a_scale_of_zero_is_the_identity_to_the_last_bit():
    x = abs(draws(2, 5, 5, 6))
    np.testing.assert_array_equal(module(0.0)(x).numpy(), x)


@each_resnet
def test_scales_are_0_17_and_0_10_and_0_20(variant, networks):
    model = networks[variant]
    for letter, scale, (count, _) in zip("abc", (0.17, 0.10, 0.20), MODULES[variant], strict=True):
        for number in range(1, count + 1):
            name = f"inception_resnet_{letter}_{number}"
            wanted = 1.0 if name == released_last(variant) else scale
            layer = model.get_layer(f"{name}_scale")
            assert (layer.scale, layer.offset) == (wanted, 0)
            assert layer.input is model.get_layer(f"{name}_linear").output
            total = model.get_layer(f"{name}_output")
            if name != released_last(variant):
                assert isinstance(total, keras.layers.ReLU)
                total = model.get_layer(f"{name}_sum")
            assert isinstance(total, keras.layers.Add)
            assert total.input[1] is layer.output


def released_last(variant):
    """The module of the release without a scale and a ReLU."""
    return "inception_resnet_c_10" if variant.endswith("released") else None


@each_variant
def test_all_but_the_linear_convolutions_are_normalised(variant, networks):
    model = networks[variant]
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        if layer.name.endswith("_linear"):  # Sec. 3.2: without activation
            assert layer.use_bias and layer.kernel_size == (1, 1)
            assert layer.activation is keras.activations.linear
            continue
        assert not layer.use_bias
        norm = model.get_layer(f"{layer.name}_bn")
        assert norm.input is layer.output
        assert (norm.momentum, norm.epsilon) == (0.9997, 1e-3)
        assert model.get_layer(f"{layer.name}_relu").input is norm.output


def test_average_pooling_within_modules_leaves_out_the_zeros():
    x = keras.Input((4, 4, 1))
    form = FORMS["inception_v4"].modules["inception_a_1"]
    model = keras.Model(x, inception(x, "m", form, (2.0, "fan_in", "normal")))
    pool = model.get_layer("m_avgpool")
    np.testing.assert_allclose(pool(np.ones((1, 4, 4, 1))), 1, rtol=1e-6)


@pytest.mark.parametrize(
    "variant,trunk,maps",
    [
        ("inception_v4_released", "inception_b_7_output", 1024),
        ("inception_resnet_v2_released", "inception_resnet_b_20_output", 1088),
    ],
)
def test_released_networks_have_an_auxiliary_head(variant, trunk, maps, networks, tables):
    model = networks[variant]
    pool = model.get_layer("aux_pool")
    assert pool.input is model.get_layer(trunk).output
    assert shape(model, "aux_pool") == (5, 5, maps)
    assert shape(model, "aux_conv0") == (5, 5, 128)
    assert shape(model, "aux_conv1") == (1, 1, 768)
    assert model.outputs[0] is model.get_layer("logits").output
    assert model.outputs[1] is model.get_layer("aux_logits").output
    aux = find_row(tables[variant], "aux")
    assert aux.weights == 128 * maps + 25 * 128 * 768 + 768_000
    assert aux.params - aux.weights == 2 * (128 + 768) + 1000
    assert RECIPES[variant].loss == WithAuxiliary(
        main=SmoothedCrossEntropy(smoothing=0.1), weight=0.4, heads=1
    )


def test_the_networks_of_the_figures_have_none(networks):
    for variant in ("inception_v4", "inception_resnet_v1"):
        assert len(networks[variant].outputs) == 1
        assert RECIPES[variant].loss == SmoothedCrossEntropy(smoothing=0.1)


@each_variant
def test_a_fifth_of_the_last_maps_is_dropped(variant, networks):
    layer = networks[variant].get_layer("dropout")
    assert isinstance(layer, Dropout)
    assert layer.rate == 0.2
    assert layer.input is networks[variant].get_layer("flatten").output
    assert networks[variant].get_layer("logits").input is layer.output


def test_initial_weights_are_the_releases():
    def deviation(initial, shape):
        weights = keras.initializers.VarianceScaling(*initial, seed=0)(shape)
        return float(np.std(weights)), float(abs(np.asarray(weights)).max())

    fan_in, fan_out = 3 * 3 * 64, 3 * 3 * 128
    he, he_most = deviation(FORMS["inception_v4"].initial, kernel := (3, 3, 64, 128))
    assert he == pytest.approx((2 / fan_in) ** 0.5, rel=0.02)
    assert he_most == pytest.approx(2 * he / 0.8796, rel=0.02)  # truncated
    xavier, most = deviation(FORMS["inception_resnet_v1"].initial, kernel)
    limit = (6 / (fan_in + fan_out)) ** 0.5
    assert xavier == pytest.approx(limit / 3**0.5, rel=0.02)
    assert 0.99 * limit < most <= limit
    for variant in RESNETS:
        assert FORMS[variant].initial == FORMS["inception_resnet_v1"].initial


def test_recipe_of_the_paper():
    recipe = RECIPES["inception_v4"]
    assert recipe.optimizer == RmsProp(learning_rate=0.045, decay=0.9, momentum=0.9, epsilon=1.0)
    assert recipe.clip_global_norm == 2.0
    assert recipe.loss == SmoothedCrossEntropy(smoothing=0.1)
    assert recipe.epochs == 100
    assert recipe.global_batch_size == 20 * 32
    assert recipe.average_decay == 0.9999
    assert recipe.image_size == 299
    for other in RECIPES.values():
        same = dataclasses.replace(
            other, loss=recipe.loss, weight_decay=recipe.weight_decay, deviations=recipe.deviations
        )
        assert same == recipe


def test_images_are_prepared_as_the_release_does():
    recipe = RECIPES["inception_v4"]
    assert recipe.train_transforms == (
        DistortedBoxCrop(
            size=299,
            area=(0.05, 1.0),
            aspect=(0.75, 1.33),
            covered=0.1,
            attempts=100,
            resampling=("bilinear",),
        ),
        RandomFlip(),
        BrightnessAndSaturation(brightness=32 / 255, saturation=(0.5, 1.5)),
    )
    assert recipe.normalize == ScalePixels(-1.0, 1.0)
    assert recipe.test_transforms == (ResizeShorterSide(342), CentreCrop(342))
    assert recipe.views == ("centre_crop",)


def test_every_open_choice_is_told_once():
    open_choices = {
        "optimizer.momentum",
        "global_batch_size",
        "epochs",
        "clip_global_norm",
        "loss",
        "weight_decay",
        "initial weights",
        "train_transforms",
        "network: auxiliary head",
    }
    for variant, recipe in RECIPES.items():
        fields = [deviation.field for deviation in recipe.deviations]
        assert len(fields) == len(set(fields)), variant
        assert open_choices <= set(fields), variant
        assert ("network: residual scale" in fields) == (variant in RESNETS)


@pytest.mark.parametrize("epoch,power", [(0, 0), (1, 0), (2, 1), (99, 49)])
def test_rate_falls_by_6_percent_every_2_epochs(epoch, power):
    recipe = RECIPES["inception_resnet_v2"]
    factor = recipe.schedule.factor(epoch=epoch, step=0, steps_per_epoch=2001, history=[])
    found = recipe.optimizer.learning_rate * factor
    assert found == pytest.approx(0.045 * 0.94**power)


@pytest.mark.parametrize(
    "variant,path,decays",
    [
        ("inception_v4", "stem_1/kernel", True),
        ("inception_v4", "logits/bias", False),
        ("inception_resnet_v1", "inception_resnet_a_1_linear/bias", True),
        ("inception_resnet_v1", "logits/bias", True),
        ("inception_resnet_v1", "stem_1_bn/beta", False),
        ("inception_resnet_v1", "stem_1_bn/gamma", False),
    ],
)
def test_what_decays(variant, path, decays):
    decay = RECIPES[variant].weight_decay
    assert decay.rate == 4e-5
    assert bool(re.search(decay.variables, path)) is decays


def distorted(image, position=0, **amounts):
    context = Context(top=0, left=0, mirrored=False, statistics=None, rng=ExampleRng(3, position))
    amounts = dict(brightness=0.0, saturation=(1.0, 1.0)) | amounts
    operation = BrightnessAndSaturation(**amounts)
    return operation(tf.constant(image), context).numpy()


def test_distortions_change_brightness_and_saturation_alone():
    image = np.random.default_rng(0).uniform(80, 170, (8, 9, 3)).astype("f4")
    np.testing.assert_allclose(distorted(image), image, atol=1e-3)
    added = [distorted(image, position, brightness=32 / 255) - image for position in range(100)]
    assert max(np.ptp(one) for one in added) < 1e-3
    means = [one.mean() for one in added]
    assert -32 < min(means) < -28 and 28 < max(means) < 32
    grey = distorted(image, saturation=(0.0, 0.0))
    np.testing.assert_allclose(grey, np.repeat(image.max(-1, keepdims=True), 3, -1), atol=1e-3)
    assert distorted(image, saturation=(9.0, 9.0)).min() == 0


def test_one_image_in_four_has_its_brightness_changed_first():
    # The order shows where a saturated colour is cut off: its least channel is
    # 0 before brightness is added, or after.
    image = np.array([[[10.0, 90.0, 200.0]]], "float32")
    amounts = dict(brightness=0.1, saturation=(1.5, 1.5))
    lighter = [
        found
        for position in range(400)
        if (found := distorted(image, position, **amounts)).max() > 201
    ]
    assert 150 < len(lighter) < 250
    first = sum(found.min() < 0.5 for found in lighter)
    assert 0.15 < first / len(lighter) < 0.35
