"""The same weights give the logits of independent implementations."""

import functools

import keras
import numpy as np
import pytest

import reproductions
from common.errors import RunError
from common.models.layer_table import without_weights
from common.models.state_dicts import of_keras_model
from reproductions.inception_v3.weights import from_keras, from_torchvision
from tests import golden
from tests.reproductions.helpers import difference, randomize, renumber

build_model = functools.partial(reproductions.build_model, "inception_v3")

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


@pytest.mark.parametrize(
    "read,fitting,variant",
    [
        (from_torchvision, "inception_v3_torchvision", "inception_v3"),
        (from_torchvision, "inception_v3_torchvision", "inception_v3_151"),
        (from_torchvision, "inception_v3_torchvision", "inception_v2_table1"),
        (from_keras, "inception_v3", "inception_v3_torchvision"),
        (from_keras, "inception_v3", "inception_v3_79"),
    ],
)
def test_networks_that_would_compute_something_else_refuse(read, fitting, variant, no_weights):
    with pytest.raises(RunError, match=f"Import them into {fitting}\\."):
        read({}, no_weights(variant))


@pytest.mark.full
def test_torchvisions_pooling_shows_in_the_logits(imported):
    # The shapes fit; without the refusal the logits would just be wrong.
    other = build_model("inception_v3")
    other.set_weights(imported.get_weights())
    logits, _ = other(golden.image(ORACLE))
    assert golden.difference(logits.numpy(), ORACLE) > 0.1


def application_of(size, classes):
    image = keras.Input((size, size, 3))
    return randomize(
        keras.applications.InceptionV3(
            weights=None, input_tensor=image, classes=classes, classifier_activation=None
        )
    )


@pytest.fixture(scope="module")
def application():
    keras.layers.Conv2D(1, 1)  # so that theirs begin with conv2d_1 or later
    return application_of(SMALL, classes=50)


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
    application = application_of(299, classes=1000)
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


def test_weights_of_another_network_are_refused(no_weights):
    model = no_weights("inception_v3", num_classes=10)
    with pytest.raises(RunError, match="0 layers conv2d, it has 94"):
        from_keras({"conv1_conv/kernel": np.zeros((7, 7, 3, 64))}, model)
    model = no_weights("inception_v3_torchvision", num_classes=10)
    with pytest.raises(RunError, match="has the shape"):
        from_torchvision(golden.state(ORACLE), model)
