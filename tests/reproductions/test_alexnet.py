"""AlexNet's facts: Sections 3 to 5 of the paper, and net 145."""

import functools
import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.distribution.batch_slice import batch_slice
from common.training.optimizers import build_optimizer
from reproductions.alexnet.cifar import LocallyConnected
from reproductions.alexnet.model import SpatialResponseNormalization
from tests.reproductions.graphs import draws, graph_of

build_model = functools.partial(reproductions.build_model, "alexnet")
RECIPES = reproductions.load("alexnet").RECIPES


def test_layers_of_net_145_stand_in_its_order():  # of the others: golden logits
    names = [layer.name for layer in graph_of("alexnet", "alexnet_as_run").layers]
    assert names == (
        "image pad1 conv1 norm1 pool1 relu1 conv2 relu2 norm2 spatial2 pool2 "
        "conv3 relu3 conv4 relu4 conv5 relu5 pool5 "
        "flatten fc6 drop6 halve6 fc7 drop7 halve7 fc8".split()
    )


@pytest.mark.parametrize("size", [64, 65, 66, 67, 68])
def test_conv1_of_the_source_is_one_plus_the_ceiling(size):
    model = graph_of("alexnet", "alexnet", image_size=size)
    side = 1 + math.ceil((size - 11) / 4)  # layer.py of the 2012 source
    assert model.get_layer("conv1").output.shape[1:3] == (side, side)


def test_non_overlapping_pooling_keeps_the_sizes():
    model = graph_of("alexnet", "alexnet_non_overlapping")
    for name, side in (("pool1", 27), ("pool2", 13), ("pool5", 6)):
        layer = model.get_layer(name)
        assert (layer.pool_size, layer.strides) == ((2, 2), (2, 2))
        assert layer.output.shape[1:3] == (side, side)


def test_hidden_outputs_are_dropped_in_training_and_halved_in_testing():
    model = graph_of("alexnet", "alexnet_as_run")
    parts = {n: model.get_layer(n) for n in ("drop6", "halve6")}
    x = draws(4, 4096)

    def outputs(training):
        return parts["halve6"](parts["drop6"](x, training=training)).numpy()

    np.testing.assert_array_equal(outputs(False), x * np.float32(0.5))
    with batch_slice(seed=1, step=tf.constant(0, tf.int64), start=0, size=4):
        trained = outputs(True)
    kept = trained != 0
    assert 0.45 < kept.mean() < 0.55
    np.testing.assert_array_equal(trained[kept], x[kept])  # not doubled


def test_spatial_norm_is_net_145s():
    a = np.random.default_rng(0).normal(0, 100, (2, 7, 6, 3))
    b = np.zeros_like(a)
    for y in range(7):
        for x in range(6):
            rows, columns = (slice(max(0, y - 2), y + 3), slice(max(0, x - 2), x + 3))
            total = (a[:, rows, columns] ** 2).sum((1, 2))
            b[:, y, x] = a[:, y, x] / (1 + 1e-3 / 25 * total) ** 0.75
    layer = SpatialResponseNormalization(size=5, k=1.0, alpha=1e-3 / 25, beta=0.75)
    np.testing.assert_allclose(layer(a.astype("float32")), b, rtol=1e-4)
    config = graph_of("alexnet", "alexnet_as_run").get_layer("spatial2").get_config()
    assert config.items() >= {"size": 5, "k": 1.0, "alpha": 4e-5, "beta": 0.75}.items()


# The networks for CIFAR-10 of AlexNet's Section 3.3, after cuda-convnet.


THIRTEEN, ELEVEN = "cifar_alexnet_13pct", "cifar_alexnet_11pct"


ORDER = {
    THIRTEEN: "conv1 pool1 conv2 pool2 local3 relu3 local4 relu4 flatten fc10",
    ELEVEN: "conv1 pool1 rnorm1 conv2 rnorm2 pool2 local3 relu3 local4 relu4 flatten fc10",
}
STDS = {"conv1": 1e-4, "conv2": 0.01, "local3": 0.04, "local4": 0.04, "fc10": 0.01}


@pytest.mark.parametrize("variant", ORDER)
def test_layers_are_those_of_the_files(variant):
    keras.utils.set_random_seed(0)
    model = build_model(variant)
    names = [layer.name for layer in model.layers[1:]]
    assert names == ORDER[variant].split()
    for name, std in STDS.items():
        layer = model.get_layer(name)
        assert not layer.bias.numpy().any()
        assert layer.kernel.numpy().std() == pytest.approx(std, rel=0.05)


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
    pool = graph_of("alexnet", THIRTEEN).get_layer("pool1")
    images = draws(1, 24, 24, 1)
    expected = [
        [images[0, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max() for j in range(12)]
        for i in range(12)
    ]
    layer = keras.layers.MaxPooling2D.from_config(pool.get_config())
    np.testing.assert_array_equal(layer(images)[0, ..., 0], expected)


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
