"""The networks and the recipes of Inception-v4's paper."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data.rng import ExampleRng
from common.data.transforms import (
    Context,
)
from common.errors import RunError
from common.models.layer_table import find_row, layer_table, totals, without_weights
from common.models.state_dicts import of_keras_model
from reproductions.inception_v4.distortions import BrightnessAndSaturation
from reproductions.inception_v4.model import FORMS, inception
from reproductions.inception_v4.modules import Module, Residual, conv
from reproductions.inception_v4.weights import from_cadene, from_keras
from tests import golden
from tests.reproductions.helpers import difference, draws, keras_application, renumber

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


def test_convolutions_are_as_many_as_drawn_and_released(tables):
    found = [
        sum(row.kind == "Conv2D" for row in rows if row.main)
        for rows in map(tables.get, ("inception_v4", *RESNETS))
    ]
    assert found == [149, 127, 132, 244]


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
    assert model.outputs[0] is model.get_layer("logits").output
    assert model.outputs[1] is model.get_layer("aux_logits").output
    aux = find_row(tables[variant], "aux")
    assert aux.weights == 128 * maps + 25 * 128 * 768 + 768_000
    assert aux.params - aux.weights == 2 * (128 + 768) + 1000


def test_the_networks_of_the_figures_have_none(networks):
    for variant in ("inception_v4", "inception_resnet_v1"):
        assert len(networks[variant].outputs) == 1


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


# The same weights give the logits of independent implementations.


V4, RESNET = "inception_v4_released", "inception_resnet_v2_released"
V4_ORACLE, RESNET_ORACLE = "cadene_inceptionv4", "cadene_inceptionresnetv2"
SMALL = 107


def inception_v4():
    model = build_model(V4)
    from_cadene(golden.state(V4_ORACLE), model)
    return lambda image: model(image)[0].numpy()


def in_float64(make):
    keras.config.set_dtype_policy("float64")
    try:
        return make()
    finally:
        keras.config.set_dtype_policy("float32")


def test_logits_of_inception_v4_are_cadenes():
    # Measured in float64, but for the last layer: 4.3e-7 of the largest logit,
    # 1.93.
    logits = in_float64(inception_v4)
    found = logits(golden.image(V4_ORACLE))
    assert golden.difference(found, V4_ORACLE) < 1e-5
    # One float32 rounding of the image alone moves them by 1.8e-4: no shortcut
    # carries the signal past these random weights. No float32 network can be
    # within 1e-4.
    moved = logits(golden.rounded(V4_ORACLE))
    assert golden.difference(moved, V4_ORACLE) > 1e-4


@pytest.mark.full
def test_in_float32_rounding_grows_from_module_to_module():
    # 2e-6 after the stem, by 1.7 in each 17x17 module, 4e-3 in front of the
    # last pooling, 1e-3 at the logits.
    found = inception_v4()(golden.image(V4_ORACLE))
    assert golden.difference(found, V4_ORACLE) < 1e-2


@pytest.fixture(scope="module")
def resnet():
    model = build_model(RESNET)
    from_cadene(golden.state(RESNET_ORACLE), model)
    return model


def test_logits_of_inception_resnet_v2_are_cadenes(resnet):
    # Measured: 6.5e-6 of the largest logit.
    logits = resnet(golden.image(RESNET_ORACLE))[0].numpy()
    assert golden.difference(logits, RESNET_ORACLE) < 1e-4


def auxiliary(model):
    return [
        weight.numpy()
        for layer in model.layers
        if layer.name.startswith("aux")
        for weight in layer.weights
    ]


def test_the_auxiliary_head_stays_as_it_is(resnet):
    before = auxiliary(resnet)
    bias = resnet.get_layer("logits").bias
    bias.assign(np.zeros(bias.shape))
    from_cadene(golden.state(RESNET_ORACLE), resnet)
    after = auxiliary(resnet)
    assert len(after) == 2 * 5 + 2
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    wanted = golden.state(RESNET_ORACLE)["last_linear.bias"]
    np.testing.assert_array_equal(bias, wanted)


def no_weights(variant, **sizes):
    """A network whose weights a refused import never comes to."""
    with without_weights():
        return build_model(variant, **sizes)


@pytest.mark.parametrize(
    "variant", ["inception_v4", "inception_resnet_v1", "inception_resnet_v2", RESNET]
)
def test_inceptionv4_is_refused_for_another_network(variant):
    with pytest.raises(RunError, match=f"Import them into {V4}\\."):
        from_cadene({"features.0.conv.weight": None}, no_weights(variant))


@pytest.mark.parametrize(
    "variant", ["inception_v4", "inception_resnet_v1", "inception_resnet_v2", V4]
)
def test_inceptionresnetv2_is_refused_for_another_network(variant):
    model = no_weights(variant)
    for read in (from_cadene, from_keras):
        with pytest.raises(RunError, match=f"Import them into {RESNET}\\."):
            read({}, model)


@pytest.mark.full
@pytest.mark.parametrize("size,classes", [(SMALL, 50), (299, 1000)])
def test_logits_are_those_of_keras_applications(size, classes):
    network = keras_application("InceptionResNetV2", size, classes)
    model = build_model(RESNET, image_size=size, num_classes=classes)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(2 * np.ones(layer.gamma.shape))
    before = auxiliary(model)
    from_keras(of_keras_model(network), model)
    assert difference(network, model, size) < 1e-5
    for old, new in zip(before, auxiliary(model), strict=True):
        np.testing.assert_array_equal(old, new)


def keras_entries(*, before):
    """Keras's entries after `before` other layers; each holds its number."""
    with without_weights():
        network = keras.applications.InceptionResNetV2(weights=None)
        shapes = {
            f"{layer.name}/{variable.name}": tuple(variable.shape)
            for layer in network.layers
            for variable in layer.variables
        }
    state = {
        entry: np.broadcast_to(np.float32(number), shape)
        for number, (entry, shape) in enumerate(shapes.items())
    }
    return renumber(state, {"conv2d": before, "batch_normalization": before})


def test_keras_numbers_matter_by_their_order_only(monkeypatch):
    taken = []

    def take(model, state, names):
        for layer in model.layers:
            for variable in layer.weights:
                values = state[f"{names[layer.name]}/{variable.name}"]
                assert values.shape == tuple(variable.shape), layer.name
                taken.append(values.flat[0])

    module = "reproductions.inception_v4.weights"
    monkeypatch.setattr(f"{module}.assign_keras", take)
    model = no_weights(RESNET)
    for before in (0, 7):
        state = keras_entries(before=before)
        assert ("conv2d/kernel" in state) == (before == 0)
        from_keras(dict(reversed(state.items())), model)
    half = len(taken) // 2
    assert taken[:half] == taken[half:]
    # A scale is 1, which stands for the second entry too.
    assert len(set(taken[:half]) | {1.0}) == len(state)
