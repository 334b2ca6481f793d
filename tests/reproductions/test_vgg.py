"""VGG's facts: Tables 1 and 2, Sections 2 and 3 of the paper, the slides."""

import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.models.fully_convolutional import flattened_map
from reproductions.vgg import weights
from tests.reproductions.graphs import graph_of, rows_of
from tests.reproductions.layouts import take

build_model = functools.partial(reproductions.build_model, "vgg")
RECIPES = reproductions.load("vgg").RECIPES
SMALL = {"image_size": 32, "num_classes": 10}


def small(variant, **sizes):
    keras.utils.set_random_seed(0)
    return build_model(variant, **(SMALL | sizes))


def with_kernels(model):
    return [layer for layer in model.layers if layer.weights]


def kernel_shapes(variant):
    """{layer: kernel's shape} in order, for 32x32 pixels."""
    layers = with_kernels(graph_of("vgg", variant, **SMALL))
    return {layer.name: tuple(layer.kernel.shape) for layer in layers}


def test_a_lrn_normalises_what_conv1_1_gives():
    model = graph_of("vgg", "vgg11_lrn", **SMALL)
    assert model.get_layer("norm1").input is model.get_layer("conv1_1").output


@pytest.mark.parametrize(("count", "side"), [(2, 5), (3, 7)])
def test_small_kernels_see_as_much_as_a_large_one(count, side):  # Sec. 2.3
    model = small("vgg16", image_size=64)
    pixel = np.zeros((1, 16, 16, 128), "float32")
    pixel[0, 8, 8] = 1
    x = pixel
    for place in range(1, count + 1):
        layer = model.get_layer(f"conv3_{place}")
        layer.kernel.assign(tf.ones_like(layer.kernel))
        x = layer(x)
    rows, columns = np.nonzero(np.asarray(x)[0, ..., 0])
    assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == side


def test_one_large_kernel_has_81_percent_more_weights():  # Sec. 2.3
    rows = {row.name: row for row in rows_of("vgg", "vgg16")}
    three = sum(rows[f"conv5_{i}"].weights for i in (1, 2, 3))
    assert three == 27 * 512**2
    assert round(100 * (7 * 7 * 512**2 / three - 1)) == 81


def gain(model, factor=1.0):
    """Logits' over input's standard deviation, kernels times `factor`."""
    for layer in with_kernels(model):
        layer.kernel.assign(factor * layer.kernel)
    noise = np.random.default_rng(0).normal(size=(4, *model.input_shape[1:]))
    return float(np.std(model(noise.astype("float32"))))


def test_a_variance_of_a_hundredth_explodes_and_a_deviation_vanishes():
    deepest = small("vgg19")
    gains = {v: gain(small(v)) for v in ("vgg11", "vgg16")} | {"vgg19": gain(deepest)}
    shrinking = list(gains.values())
    assert shrinking == sorted(shrinking, reverse=True)
    assert gains["vgg19"] < 1e-8 < 1e-7 < gains["vgg11"]
    # N(0, 0.1^2), the letter of Sec. 3.1: each of 19 layers gives ten times.
    literal = gain(deepest, factor=10)
    np.testing.assert_allclose(literal, 1e19 * gains["vgg19"], rtol=1e-3)
    assert literal > 1e8
    assert 1e-4 < gain(small("vgg16_glorot")) < gain(small("vgg11_glorot")) < 1


COPIED = "conv1_1 conv2_1 conv3_1 conv3_2 fc6 fc7 fc8".split()


@pytest.mark.parametrize("variant", ["vgg13", "vgg16_c", "vgg16", "vgg19"])
def test_first_four_convolutions_and_dense_layers_of_a_are_copied(variant):
    start = RECIPES[variant].initialize_from
    assert start.variant == "vgg11"
    source, target = kernel_shapes("vgg11"), kernel_shapes(variant)
    assert [n for n in source if re.fullmatch(start.layers, n)] == COPIED
    assert [n for n in target if re.fullmatch(start.layers, n)] == COPIED
    assert list(source)[:4] == COPIED[:4]  # A's first four
    assert [source[n] for n in COPIED] == [target[n] for n in COPIED]
    # Counted from the input they would not fit.
    assert list(source.values())[1] != list(target.values())[1]


# Published weights; the logits: test_golden.py.


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


@pytest.mark.parametrize("variant", TORCHVISION)
def test_every_layer_of_torchvisions_and_caffes_goes_to_its_place(variant, monkeypatch):
    model = graph_of("vgg", variant)
    layers = with_kernels(model)
    found = take(monkeypatch, weights, "torchvision", {}, model)
    places = TORCHVISION[variant]
    assert [found["prefixes"][layer.name] for layer in layers] == [
        *(f"features.{place}" for place in places),
        *(f"classifier.{i}" for i in (0, 3, 6)),
    ]
    assert [layer.filters for layer in layers[:-3]] == list(places.values())
    assert flattened_map(model.get_layer("fc6")) == (7, 7, 512)  # torch's order: golden logits
    if variant in ("vgg16", "vgg19"):
        caffe = take(monkeypatch, weights, "caffe", {}, model)
        assert {name: caffe["prefixes"][name] for name in kernel_shapes(variant)} == {
            name: name for name in kernel_shapes(variant)
        }
