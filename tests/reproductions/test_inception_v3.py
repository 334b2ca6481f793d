"""Inception-v3's facts: Table 1, Sections 3 to 9, TensorFlow's release."""

import dataclasses
import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data.rng import ExampleRng
from common.data.transforms import (
    Context,
)
from common.distribution.batch_slice import batch_slice
from common.errors import RunError
from common.models.layer_table import layer_table, totals, without_weights
from common.models.layers import BatchNormalization
from common.models.state_dicts import of_keras_model
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import Sgd
from reproductions.inception_v3.distortions import ColourDistortions
from reproductions.inception_v3.modules import FORMS
from reproductions.inception_v3.weights import from_keras, from_torchvision
from tests import golden
from tests.reproductions.helpers import difference, draws, keras_application, renumber

build_model = functools.partial(reproductions.build_model, "inception_v3")
RECIPES = reproductions.load("inception_v3").RECIPES


@pytest.fixture(scope="module")
def released():
    with without_weights():
        return build_model("inception_v3")


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return build_model("inception_v3", image_size=107, num_classes=10)


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


def test_7b_joins_1x1_pair_pair_and_pooling_in_this_order(released):
    joined = released.get_layer("mixed_7b_output")
    names = [tensor._keras_history.operation.name for tensor in joined.input]
    assert names == [
        f"mixed_7b_branch{part}_relu"
        for part in "1x1 3x3_2a 3x3_2b 3x3dbl_3a 3x3dbl_3b _pool".split()
    ]


def test_average_pooling_leaves_out_the_zeros_but_in_torchvisions():
    ones = {}
    for variant in ("inception_v3", "inception_v3_torchvision"):
        with without_weights():
            model = build_model(variant, image_size=107)
        x = np.ones((1, 11, 11, 192), "float32")
        if variant == "inception_v3_torchvision":
            x = model.get_layer("mixed_5b_pool_pad")(x)
        pool = model.get_layer("mixed_5b_pool")
        assert isinstance(pool, keras.layers.AveragePooling2D)
        found = pool(x).numpy()
        assert found.shape == (1, 11, 11, 192)
        ones[variant] = found[0, :, :, 0]
    np.testing.assert_allclose(ones["inception_v3"], 1, rtol=1e-6)
    corner, edge, middle = ones["inception_v3_torchvision"][[0, 0, 1], [0, 1, 1]]
    np.testing.assert_allclose([corner, edge, middle], [4 / 9, 6 / 9, 1], rtol=1e-6)


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


def test_the_auxiliary_head_stands_on_the_last_17x17_grid(released):
    trunk = released.get_layer("mixed_6e_output")
    pool = released.get_layer("aux_pool")
    assert pool.input is trunk.output
    assert pool.output.shape == (None, 5, 5, 768)
    assert released.get_layer("aux_conv1").output.shape == (None, 1, 1, 768)
    assert released.outputs[0] is released.get_layer("logits").output
    assert released.outputs[1] is released.get_layer("aux_logits").output


def test_the_auxiliary_heads_dense_layer_is_normalised_in_v3_only(released):
    assert released.get_layer("aux_conv1_bn").output.shape[-1] == 768
    with without_weights():
        earlier = build_model("inception_v2_table1")
    names = {layer.name for layer in earlier.layers}
    assert "aux_conv0_bn" in names
    assert "aux_conv1_bn" not in names
    assert earlier.get_layer("aux_conv1").use_bias
    assert earlier.get_layer("aux_pool").input is (earlier.get_layer("mixed_6f_output").output)


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
    context = Context(top=0, left=0, mirrored=False, statistics=None, rng=ExampleRng(3, position))
    operation = ColourDistortions(**still | amounts)
    return operation(tf.constant(image), context).numpy()


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
    image = np.random.default_rng(0).uniform(80, 170, (3, 3, 3)).astype("f4")
    amounts = dict(saturation=(1.5, 1.5), contrast=(0.5, 0.5))
    results = {distorted(image, i, **amounts).round(2).tobytes() for i in range(20)}
    assert len(results) == 2


# The same weights give the logits of torchvision and keras.applications.


ORACLE = "torchvision_inception_v3"
SMALL = 107


def in_float64(variant, **sizes):
    keras.config.set_dtype_policy("float64")
    try:
        return build_model(variant, **sizes)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def imported():
    model = build_model("inception_v3_torchvision")
    from_torchvision(golden.state(ORACLE), model)
    return model


def test_logits_are_torchvisions(imported):
    # Measured: 3.5e-5 of the largest logit, 2.28; in float64 3.4e-8.
    logits, _ = imported(golden.image(ORACLE))
    assert golden.difference(logits.numpy(), ORACLE) < 1e-4


@pytest.mark.full
def test_logits_are_torchvisions_to_the_last_digits_in_float64():
    model = in_float64("inception_v3_torchvision")
    from_torchvision(golden.state(ORACLE), model)
    logits, _ = model(golden.image(ORACLE).astype("float64"))
    assert golden.difference(logits.numpy(), ORACLE) < 1e-6


def auxiliary_logits(x, state, name="AuxLogits"):
    """torchvision's InceptionAux, in eval mode, of a 17x17 map."""

    def normalized(x, part):
        scale, offset, mean, variance = (
            state[f"{name}.{part}.bn.{entry}"].astype("float64")
            for entry in ("weight", "bias", "running_mean", "running_var")
        )
        x = (x - mean) / np.sqrt(variance + 1e-3) * scale + offset
        return np.maximum(x, 0)

    places = [slice(3 * i, 3 * i + 5) for i in range(5)]
    x = np.array([[x[:, r, c].mean((1, 2)) for c in places] for r in places])
    x = normalized(x @ state[f"{name}.conv0.conv.weight"][:, :, 0, 0].T, "conv0")
    x = np.einsum("hwbi,oihw->bo", x, state[f"{name}.conv1.conv.weight"])
    x = normalized(x, "conv1")
    return x @ state[f"{name}.fc.weight"].T + state[f"{name}.fc.bias"]


def test_auxiliary_logits_are_those_of_a_numpy_reading(imported):
    state = golden.state(ORACLE)
    trunk = imported.get_layer("mixed_6e_output").output
    head = keras.Model(trunk, imported.outputs[1])
    maps = np.random.default_rng(0).normal(size=(2, 17, 17, 768))
    wanted = auxiliary_logits(maps, state)
    found = head(maps.astype("float32")).numpy()
    assert abs(found - wanted).max() < 1e-5 * abs(wanted).max()


def weights_of(model, prefix):
    return [
        weight.numpy()
        for layer in model.layers
        if layer.name.startswith(prefix)
        for weight in layer.weights
    ]


def without_auxiliary(state):
    return {k: v for k, v in state.items() if not k.startswith("AuxLogits")}


def test_a_state_without_auxiliary_head_leaves_ours(imported):
    bias = imported.get_layer("logits").bias
    bias.assign(np.zeros(bias.shape))
    before = weights_of(imported, "aux")
    from_torchvision(without_auxiliary(golden.state(ORACLE)), imported)
    after = weights_of(imported, "aux")
    assert len(after) == 2 * 5 + 2
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(bias, golden.state(ORACLE)["fc.bias"])


@pytest.fixture(scope="module")
def no_weights():
    """Networks whose weights a refused import never comes to."""

    def build(variant, **sizes):
        with without_weights():
            return build_model(variant, **sizes)

    return build


def test_half_an_auxiliary_head_is_refused(no_weights):
    state = golden.state(ORACLE)
    del state["AuxLogits.conv1.bn.bias"]
    with pytest.raises(RunError, match=r"Missing: AuxLogits\.conv1\.bn\.bias"):
        from_torchvision(state, no_weights("inception_v3_torchvision"))


@pytest.mark.full
def test_torchvisions_pooling_shows_in_the_logits(imported):
    # The shapes fit; without the refusal the logits would just be wrong.
    other = build_model("inception_v3")
    other.set_weights(imported.get_weights())
    logits, _ = other(golden.image(ORACLE))
    assert golden.difference(logits.numpy(), ORACLE) > 0.1


@pytest.fixture(scope="module")
def application():
    keras.layers.Conv2D(1, 1)  # so that theirs begin with conv2d_1 or later
    return keras_application("InceptionV3", SMALL, 50)


@pytest.fixture(scope="module")
def ours():
    return build_model("inception_v3", image_size=SMALL, num_classes=50)


def test_logits_are_those_of_keras_applications(application, ours):
    assert "conv2d" not in {layer.name for layer in application.layers}
    for layer in ours.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(2 * np.ones(layer.gamma.shape))
    before = weights_of(ours, "aux")
    from_keras(of_keras_model(application), ours)
    assert difference(application, ours, SMALL) < 1e-5
    for old, new in zip(before, weights_of(ours, "aux"), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.full
def test_logits_are_those_of_keras_applications_at_full_size():
    # Measured: 3e-7 of the largest logit.
    application = keras_application("InceptionV3", 299, 1000)
    model = build_model("inception_v3")
    from_keras(of_keras_model(application), model)
    assert difference(application, model, 299) < 1e-5


@pytest.mark.parametrize(
    "first", [{"conv2d": 0, "batch_normalization": 0}, {"conv2d": 7, "batch_normalization": 94}]
)
def test_the_numbers_of_keras_names_matter_by_their_order_only(first, application, ours):
    state = of_keras_model(application)
    main = keras.Model(ours.input, ours.outputs[0])
    from_keras(state, ours)
    before = main.get_weights()
    main.set_weights([np.zeros_like(weight) for weight in before])
    other = renumber(state, first)
    assert ("conv2d/kernel" in other) == (first["conv2d"] == 0)
    from_keras(dict(reversed(other.items())), ours)
    for one, again in zip(before, main.get_weights(), strict=True):
        np.testing.assert_array_equal(one, again)
