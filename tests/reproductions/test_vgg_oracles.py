"""Other implementations' weights give their logits."""

import functools

import keras
import numpy as np
import pytest

import reproductions
from common.errors import RunError
from reproductions.vgg.weights import KERAS_APPLICATIONS, from_caffe, from_keras, from_torchvision
from tests import golden

build_model = functools.partial(reproductions.build_model, "vgg")
RECIPES = reproductions.load("vgg").RECIPES

# torchvision/models/vgg.py: where the convolutions of each `features` stand,
# and the maps that they give.
TORCHVISION = {
    name: dict(zip(places, (64,) * a + (128,) * b + (256,) * c + (512,) * d, strict=True))
    for name, places, (a, b, c, d) in (
        ("vgg11", (0, 3, 6, 8, 11, 13, 16, 18), (1, 1, 2, 4)),
        ("vgg13", (0, 2, 5, 7, 10, 12, 15, 17, 20, 22), (2, 2, 2, 4)),
        ("vgg16", (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), (2, 2, 3, 6)),
        ("vgg19", (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34), (2, 2, 4, 8)),
    )
}
DENSE = {"classifier.0": 4096, "classifier.3": 4096, "classifier.6": 10}


def test_logits_are_those_of_torchvisions_vgg16():
    model = build_model("vgg16")
    from_torchvision(golden.state("torchvision_vgg16"), model)
    logits = model(golden.image("torchvision_vgg16")).numpy()
    # Measured: 2.3e-6, in float32 against their float64.
    assert golden.difference(logits, "torchvision_vgg16") < 1e-5


def theirs(name, side, classes):
    """keras.applications' network with random biases too, and its state."""
    keras.utils.set_random_seed(1)
    network = getattr(keras.applications, name)(
        weights=None, input_shape=(side, side, 3), classes=classes, classifier_activation=None
    )
    rng = np.random.default_rng(2)
    state = {}
    for layer in network.layers:
        for variable in layer.weights:
            if variable.name == "bias":  # they start from 0
                variable.assign(rng.normal(0, 0.05, variable.shape))
            state[f"{layer.name}/{variable.name}"] = variable.numpy()
    return network, state


def difference_from_keras(variant, side, classes):
    network, state = theirs(KERAS_APPLICATIONS[variant], side, classes)
    model = build_model(variant, image_size=side, num_classes=classes)
    from_keras(state, model)
    images = np.random.default_rng(3).normal(0, 60, (2, side, side, 3))
    images = images.astype("float32")
    wanted, found = network(images).numpy(), model(images).numpy()
    return abs(found - wanted).max() / abs(wanted).max()


@pytest.mark.parametrize("variant", ["vgg16", "vgg19"])
def test_logits_are_those_of_keras_applications(variant):
    assert difference_from_keras(variant, 64, 10) < 1e-5


@pytest.mark.full
@pytest.mark.parametrize("variant", ["vgg16", "vgg19"])
def test_logits_are_those_of_keras_applications_at_full_size(variant):
    assert difference_from_keras(variant, 224, 1000) < 1e-5


def test_keras_has_two_of_the_configurations():
    classes = {
        variant: KERAS_APPLICATIONS.get(variant)
        for variant in ("vgg16", "vgg16_jitter", "vgg16_c", "vgg19", "vgg11")
    }
    assert classes == {
        "vgg16": "VGG16",
        "vgg16_jitter": "VGG16",
        "vgg16_c": None,
        "vgg19": "VGG19",
        "vgg11": None,
    }
    assert set(KERAS_APPLICATIONS) < set(RECIPES)


def numbered(depth):
    """A state dict, 32x32 pixels, whose entries hold numbers of their own."""
    shapes, before = {}, 3
    for place, maps in TORCHVISION[depth].items():
        shapes[f"features.{place}"] = (maps, before, 3, 3)
        before = maps
    for prefix, units in DENSE.items():
        shapes[prefix] = (units, before)
        before = units
    state = {}
    for number, (prefix, shape) in enumerate(shapes.items(), 1):
        state[f"{prefix}.weight"] = np.full(shape, number, "float32")
        state[f"{prefix}.bias"] = np.full(shape[:1], -number, "float32")
    return state


@pytest.mark.parametrize("depth", TORCHVISION)
def test_every_layer_of_torchvisions_goes_to_its_place(depth):
    model = build_model(depth, image_size=32, num_classes=10)
    from_torchvision(numbered(depth), model)
    layers = [layer for layer in model.layers if layer.weights]
    assert len(layers) == int(depth[3:])
    for number, layer in enumerate(layers, 1):
        assert np.ptp(layer.kernel) == np.ptp(layer.bias) == 0
        found = layer.kernel.numpy().flat[0], layer.bias.numpy()[0]
        assert found == (number, -number), layer.name


def random_state(rng, model, name_of):
    """Random weights for `model`, in torch's layout."""
    state = {}
    for layer in model.layers:
        if layer.weights:
            kernel = layer.kernel.shape
            order = (3, 2, 0, 1) if len(kernel) == 4 else (1, 0)
            shape = [kernel[axis] for axis in order]
            std = np.sqrt(2 / np.prod(shape[1:]))
            state[f"{name_of(layer.name)}.weight"] = std * rng.standard_normal(shape, "float32")
            state[f"{name_of(layer.name)}.bias"] = rng.normal(0, 0.1, shape[0])
    return state


@pytest.mark.parametrize("variant", ["vgg16", "vgg19"])
def test_caffes_weights_are_torchvisions_by_other_names(variant):
    """fc6 of both flattens maps, rows, columns; here 2x2 of each map."""
    model = build_model(variant, image_size=64, num_classes=10)
    caffe = random_state(np.random.default_rng(0), model, lambda name: name)
    image = np.random.default_rng(1).normal(size=(1, 64, 64, 3))
    from_caffe(caffe, model)
    ours = model(image).numpy()
    places = [f"features.{p}" for p in TORCHVISION[variant]] + list(DENSE)
    layers = [layer.name for layer in model.layers if layer.weights]
    renamed = dict(zip(layers, places, strict=True))
    torchvision = {
        f"{renamed[entry.partition('.')[0]]}.{entry.partition('.')[2]}": value
        for entry, value in caffe.items()
    }
    from_torchvision(torchvision, model)
    np.testing.assert_array_equal(model(image), ours)
    # fc6 as a sum over (map, row, column), from pool5's (row, column, map).
    pool5 = keras.Model(model.input, model.get_layer("pool5").output)
    flat = pool5(image).numpy().transpose(0, 3, 1, 2).reshape(1, -1)
    fc6 = flat @ caffe["fc6.weight"].T + caffe["fc6.bias"]
    found = keras.Model(model.input, model.get_layer("fc6").output)(image)
    np.testing.assert_allclose(found, np.maximum(fc6, 0), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("variant", "given", "message"),
    [
        ("vgg11", "vgg13", "not the weights of vgg11"),
        ("vgg19", "vgg16", "not the weights of vgg19"),
        ("vgg16", "vgg19", "not the weights of vgg16"),
    ],
)
def test_weights_of_another_depth_are_refused(variant, given, message):
    model = build_model(variant, image_size=32, num_classes=10)
    with pytest.raises(RunError, match=message):
        from_torchvision(numbered(given), model)


def test_weights_for_another_image_size_are_refused():
    model = build_model("vgg11", image_size=64, num_classes=10)
    with pytest.raises(RunError, match="classifier.0.weight has the shape"):
        from_torchvision(numbered("vgg11"), model)


@pytest.mark.parametrize(
    ("variant", "load", "instead"),
    [
        ("vgg11_lrn", from_torchvision, "vgg11"),
        ("vgg16_c", from_torchvision, "vgg16"),
        ("vgg11_lrn", from_caffe, "vgg19"),
        ("vgg13", from_keras, "vgg16"),
        ("vgg16_c_jitter", from_keras, "vgg16"),
    ],
)
def test_a_network_that_the_layout_does_not_hold_is_refused(variant, load, instead):
    """A's state dict fits A-LRN, and the logits would be others."""
    model = build_model(variant, image_size=32, num_classes=10)
    with pytest.raises(RunError, match=f"{variant} would not.*{instead}[,.]"):
        load(numbered("vgg11"), model)
