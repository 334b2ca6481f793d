"""Weights of other frameworks give our networks the same logits."""

import keras
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from common.errors import RunError
from common.models.weight_import import assign_torch, copy_layers

PREFIXES = {"stem": "features.0", "grouped": "features.1", "norm": "features.2", "fc": "classifier"}
EPSILON = 1e-3


def toy(names=tuple(PREFIXES)):
    """Images of 7x6x3 to five logits; every kind of layer with weights."""
    stem, grouped, norm, fc = names
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((7, 6, 3)),
            layers.Conv2D(4, 3, use_bias=False, name=stem),
            layers.Conv2D(6, (3, 3), groups=2, name=grouped),
            layers.BatchNormalization(epsilon=EPSILON, name=norm),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(5, name=fc),
        ],
        name="toy",
    )


def torch_state():
    """What torch would call and lay out the toy's weights."""
    rng = np.random.default_rng(0)
    shapes = {
        "features.0.weight": (4, 3, 3, 3),
        "features.1.weight": (6, 2, 3, 3),
        "features.1.bias": (6,),
        "features.2.weight": (6,),
        "features.2.bias": (6,),
        "features.2.running_mean": (6,),
        "classifier.weight": (5, 6 * 3 * 2),
        "classifier.bias": (5,),
    }
    state = {n: rng.normal(size=s).astype("f4") for n, s in shapes.items()}
    state["features.2.running_var"] = rng.uniform(0.5, 2, 6).astype("f4")
    state["features.2.num_batches_tracked"] = np.array(7)
    return state


IMAGES = np.random.default_rng(1).normal(size=(2, 7, 6, 3)).astype("f4")


def correlate(maps, kernels, groups):
    """torch.nn.functional.conv2d on (batch, maps, height, width)."""
    found = []
    for part, kernel in zip(np.split(maps, groups, 1), np.split(kernels, groups), strict=True):
        windows = sliding_window_view(part, (3, 3), (2, 3))
        found.append(np.einsum("bihwkl,oikl->bohw", windows, kernel))
    return np.concatenate(found, 1)


def torch_logits(state):
    """Torch's reading of the weights, in NumPy."""

    def per_map(name):
        return state[name].reshape(-1, 1, 1)

    maps = IMAGES.transpose(0, 3, 1, 2)
    maps = correlate(maps, state["features.0.weight"], 1)
    maps = correlate(maps, state["features.1.weight"], 2)
    maps = maps + per_map("features.1.bias") - per_map("features.2.running_mean")
    maps /= np.sqrt(per_map("features.2.running_var") + EPSILON)
    maps = maps * per_map("features.2.weight") + per_map("features.2.bias")
    flat = np.maximum(maps, 0).reshape(len(maps), -1)
    return flat @ state["classifier.weight"].T + state["classifier.bias"]


def test_torch_weights_give_torchs_logits():
    model, state = toy(), torch_state()
    assign_torch(model, state, PREFIXES)
    wanted = torch_logits(state)
    assert abs(model(IMAGES).numpy() - wanted).max() < 1e-5 * abs(wanted).max()


def test_fully_connected_kernels_may_be_convolutions():
    """As in Caffe's files and in fully convolutional releases."""
    model, state = toy(), torch_state()
    wanted = torch_logits(state)
    kernel = state["classifier.weight"]
    for shape in ((5, 6, 3, 2), (5, 36, 1, 1)):
        assign_torch(model, state | {"classifier.weight": kernel.reshape(shape)}, PREFIXES)
        assert abs(model(IMAGES).numpy() - wanted).max() < 1e-5 * abs(wanted).max()


WRONG = {
    "a missing entry": ({"classifier.bias": None}, "Missing: classifier.bias;"),
    "an unknown entry": ({"fc.bias": np.zeros(5)}, "unknown: fc.bias"),
    "other classes": ({"classifier.weight": np.zeros((9, 36))}, r"\(36, 9\)"),
    "another image size": (
        {"classifier.weight": np.zeros((5, 54))},
        "another network, image size or number of classes",
    ),
    "a transposed kernel": (
        {"features.0.weight": np.zeros((3, 3, 3, 4))},
        r"features.0.weight has the shape \(3, 4, 3, 3\)",
    ),
    "a flat kernel": ({"features.0.weight": np.zeros((4, 27))}, "shape"),
    "a vector for a matrix": ({"classifier.weight": np.zeros(5)}, "shape"),
    "a scalar": ({"features.2.running_var": np.ones(())}, "shape"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_weights_are_refused_and_nothing_is_set(name):
    change, said = WRONG[name]
    state = {n: v for n, v in (torch_state() | change).items() if v is not None}
    model = toy()
    before = [weight.numpy() for weight in model.weights]
    with pytest.raises(RunError, match=said):
        assign_torch(model, state, PREFIXES)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def nets():
    """Two that share `stem` and `fc`; their `norm` and `grouped` differ."""
    keras.utils.set_random_seed(0)
    source = toy()
    keras.utils.set_random_seed(1)
    return source, toy()


def test_copied_layers_are_the_ones_that_are_named():
    source, model = nets()
    before = model.get_layer("grouped").kernel.numpy()
    assert copy_layers(source, model, "stem|fc") == ["stem", "fc"]
    for name in ("stem", "fc"):
        theirs = source.get_layer(name).get_weights()
        for ours, other in zip(model.get_layer(name).get_weights(), theirs, strict=True):
            np.testing.assert_array_equal(ours, other)
    after = model.get_layer("grouped").kernel.numpy()
    np.testing.assert_array_equal(after, before)


def test_a_layer_that_is_missing_or_of_another_shape_is_not_copied():
    source, model = nets()
    renamed = toy(("stem", "grouped", "norm", "classifier"))
    before = renamed.get_layer("stem").kernel.numpy()
    with pytest.raises(RunError, match="begin with .*'s fc: .* no layer fc"):
        copy_layers(source, renamed, "stem|fc")
    np.testing.assert_array_equal(renamed.get_layer("stem").kernel, before)  # nor the others
    with pytest.raises(RunError, match="No layer of .* matches 'conv9'"):
        copy_layers(source, model, "conv9")
