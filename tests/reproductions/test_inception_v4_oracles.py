"""The same weights give the logits of independent implementations."""

import functools

import keras
import numpy as np
import pytest

import reproductions
from common.errors import RunError
from common.models.layer_table import without_weights
from common.models.state_dicts import of_keras_model
from reproductions.inception_v4.weights import from_cadene, from_keras
from tests import golden
from tests.reproductions.helpers import difference, randomize, renumber

build_model = functools.partial(reproductions.build_model, "inception_v4")

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


def test_damaged_weights_are_refused():
    model = no_weights(RESNET, image_size=SMALL)
    state = golden.state(RESNET_ORACLE)
    del state["block8.conv2d.bias"]
    with pytest.raises(RunError, match=r"Missing: block8\.conv2d\.bias;"):
        from_cadene(state, model)
    state = golden.state(RESNET_ORACLE) | {"repeat_2.9.conv2d.bias": 0}
    with pytest.raises(RunError, match=r"unknown: repeat_2\.9\.conv2d\.bias"):
        from_cadene(state, model)
    model = no_weights(V4, image_size=SMALL, num_classes=1001)
    with pytest.raises(RunError, match=r"last_linear.* has the shape"):
        from_cadene(golden.state(V4_ORACLE), model)


def application(size, classes):
    """Keras's network with random weights and statistics."""
    image = keras.Input((size, size, 3))
    network = keras.applications.InceptionResNetV2(
        weights=None, input_tensor=image, classes=classes, classifier_activation=None
    )
    return randomize(network)


@pytest.mark.full
@pytest.mark.parametrize("size,classes", [(SMALL, 50), (299, 1000)])
def test_logits_are_those_of_keras_applications(size, classes):
    network = application(size, classes)
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


def test_another_keras_network_is_refused():
    model = no_weights(RESNET, image_size=SMALL)
    with pytest.raises(RunError, match="0 layers conv2d, it has 203"):
        from_keras({"predictions/kernel": np.zeros((1536, 1000))}, model)
