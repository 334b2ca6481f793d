"""The networks for CIFAR-10 of AlexNet's Section 3.3, after cuda-convnet."""

import functools
import itertools

import keras
import numpy as np
import pytest

import reproductions
from common.errors import RunError
from common.training.optimizers import build_optimizer
from reproductions.alexnet.cifar import LocallyConnected
from reproductions.alexnet.weights import from_caffe
from tests.reproductions.helpers import draws

build_model = functools.partial(reproductions.build_model, "alexnet")
RECIPES = reproductions.load("alexnet").RECIPES

THIRTEEN, ELEVEN = "cifar_alexnet_13pct", "cifar_alexnet_11pct"


# Outputs and parameters of each layer with weights, from the layer files.
LAYERS = {
    THIRTEEN: {
        "conv1": ((24, 24, 64), 75 * 64 + 64),
        "conv2": ((12, 12, 64), 1600 * 64 + 64),
        "local3": ((6, 6, 32), 36 * (576 * 32 + 32)),
        "local4": ((6, 6, 32), 36 * (288 * 32 + 32)),
        "fc10": ((10,), 1152 * 10 + 10),
    },
    ELEVEN: {
        "conv1": ((24, 24, 64), 75 * 64 + 64),
        "conv2": ((12, 12, 64), 1600 * 64 + 64),
        "local3": ((6, 6, 64), 36 * (576 * 64 + 64)),
        "local4": ((6, 6, 32), 36 * (576 * 32 + 32)),
        "fc10": ((10,), 1152 * 10 + 10),
    },
}
ORDER = {
    THIRTEEN: "conv1 pool1 conv2 pool2 local3 relu3 local4 relu4 flatten fc10",
    ELEVEN: "conv1 pool1 rnorm1 conv2 rnorm2 pool2 local3 relu3 local4 relu4 flatten fc10",
}
STDS = {"conv1": 1e-4, "conv2": 0.01, "local3": 0.04, "local4": 0.04}


@pytest.mark.parametrize("variant", LAYERS)
def test_layers_are_those_of_the_files(variant):
    keras.utils.set_random_seed(0)
    model = build_model(variant)
    names = [layer.name for layer in model.layers[1:]]
    assert names == ORDER[variant].split()
    for name, (output, params) in LAYERS[variant].items():
        layer = model.get_layer(name)
        assert layer.output.shape == (None, *output)
        assert layer.count_params() == params
        assert not layer.bias.numpy().any()
        std = (STDS | {"fc10": 0.01})[name]
        assert layer.kernel.numpy().std() == pytest.approx(std, rel=0.05)


@pytest.mark.parametrize("variant", [THIRTEEN, ELEVEN])
def test_both_trainings_are_of_one_network(variant):
    whole, first = build_model(variant), build_model(f"{variant}_40k")
    shapes = [[v.shape for v in m.trainable_variables] for m in (whole, first)]
    assert shapes[0] == shapes[1]


def test_a_locally_connected_layer_has_weights_of_each_place():
    layer = LocallyConnected(5)
    images = draws(2, 4, 3, 2)
    layer.build(images.shape)
    layer.bias.assign(draws(4, 3, 5))
    kernel = layer.kernel.numpy().reshape(4, 3, 3, 3, 2, 5)
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    found = layer(images).numpy()
    for n, row, column, f in itertools.product(*map(range, (2, 4, 3, 5))):
        window = padded[n, row : row + 3, column : column + 3]
        expected = (window * kernel[row, column, ..., f]).sum()
        expected += layer.bias.numpy()[row, column, f]
        assert found[n, row, column, f] == pytest.approx(expected, abs=1e-4)


def test_pooling_hangs_over_at_the_bottom_and_right():
    # layer.py: outputsX = ceil((imgSize - start - sizeX) / stride) + 1.
    pool = build_model(THIRTEEN).get_layer("pool1")
    images = draws(1, 24, 24, 1)
    expected = [
        [images[0, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max() for j in range(12)]
        for i in range(12)
    ]
    layer = keras.layers.MaxPooling2D.from_config(pool.get_config())
    np.testing.assert_array_equal(layer(images)[0, ..., 0], expected)


def test_lrn_is_across_nine_maps_with_the_scale_over_nine():
    layer = build_model(ELEVEN).get_layer("rnorm2")
    x = 100 * draws(1, 2, 2, 64)
    squares = np.pad(x**2, [(0, 0)] * 3 + [(4, 4)])
    sums = sum(squares[..., i : i + 64] for i in range(9))
    expected = x / (1 + 0.001 / 9 * sums) ** 0.75
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("variant", "costs"),
    [
        (THIRTEEN, {"local3": 0.004, "local4": 0.004, "fc10": 0.004}),
        (ELEVEN, {"local3": 0.004, "local4": 0.004, "fc10": 0.01}),
    ],
)
def test_an_update_costs_each_layers_weights_and_no_biases(variant, costs):
    # weights.cu: inc <- mom inc - wc eps w - eps g; w <- w + inc.
    keras.utils.set_random_seed(0)
    model = build_model(variant)
    optimizer = build_optimizer(RECIPES[variant])
    optimizer.build(model.trainable_variables)
    optimizer.rates.assign([0.002, 0.001])
    before = [v.numpy() for v in model.trainable_variables]
    gradients = [draws(*w.shape) for w in before]
    speeds = [np.zeros_like(w) for w in before]
    expected = [w.copy() for w in before]
    for _ in range(2):
        optimizer.apply(
            [keras.ops.convert_to_tensor(g) for g in gradients], model.trainable_variables
        )
        for i, v in enumerate(model.trainable_variables):
            layer, kind = v.path.split("/")[-2:]
            cost = costs.get(layer, 0.0) if kind == "kernel" else 0.0
            rate = 0.001 if kind == "kernel" else 0.002
            step = gradients[i] + cost * expected[i]
            speeds[i] = 0.9 * speeds[i] - rate * step
            expected[i] = expected[i] + speeds[i]
    for v, w in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(v, w, rtol=1e-4, atol=1e-6)


def test_caffes_weights_are_of_another_network():
    with pytest.raises(RunError, match=f"{ELEVEN} is another one"):
        from_caffe({}, build_model(ELEVEN))
