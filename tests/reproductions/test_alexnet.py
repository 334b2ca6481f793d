"""AlexNet's facts: Sections 3 to 5 of the paper, and net 145."""

import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data.transforms import (
    CentreCrop,
    ResizeShorterSide,
)
from common.distribution.batch_slice import batch_slice
from reproductions.alexnet.model import SpatialResponseNormalization
from reproductions.alexnet.weights import from_caffe
from tests import golden

build_model = functools.partial(reproductions.build_model, "alexnet")
RECIPES = reproductions.load("alexnet").RECIPES
CAFFES = ("bvlc_alexnet", "caffenet")
FRAME = (ResizeShorterSide(256), CentreCrop(256))  # Sec. 2


@pytest.fixture(scope="module")
def paper():
    keras.utils.set_random_seed(0)
    return build_model("alexnet")


@pytest.fixture(scope="module")
def as_run():
    keras.utils.set_random_seed(0)
    return build_model("alexnet_as_run", image_size=64, num_classes=10)


@pytest.mark.parametrize(
    "variant,wanted",
    [
        ("alexnet", "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2"),
        ("alexnet_as_run", "conv1 norm1 pool1 relu1 conv2 relu2 norm2 spatial2 pool2"),
        ("alexnet_no_lrn", "conv1 relu1 pool1 conv2 relu2 pool2"),
        ("caffenet", "conv1 relu1 pool1 norm1 conv2 relu2 pool2 norm2"),
    ],
)
def test_layers_stand_in_the_right_order(variant, wanted):
    model = build_model(variant, image_size=64, num_classes=10)
    names = [layer.name for layer in model.layers]
    assert names[2 : names.index("conv3")] == wanted.split()
    assert names[names.index("conv5") + 1 :] == (
        ["relu5", "pool5", "flatten", "fc6", "drop6"]
        + ["halve6"] * (variant != "caffenet")
        + ["fc7", "drop7"]
        + ["halve7"] * (variant != "caffenet")
        + ["fc8"]
    )


@pytest.mark.parametrize("size", [64, 65, 66, 67, 68])
def test_conv1_of_the_source_is_one_plus_the_ceiling(size):
    model = build_model("alexnet", image_size=size, num_classes=1)
    side = 1 + math.ceil((size - 11) / 4)  # layer.py of the 2012 source
    assert model.get_layer("conv1").output.shape[1:3] == (side, side)


def test_non_overlapping_pooling_keeps_the_sizes():
    model = build_model("alexnet_non_overlapping")
    for name, side in (("pool1", 27), ("pool2", 13), ("pool5", 6)):
        layer = model.get_layer(name)
        assert (layer.pool_size, layer.strides) == ((2, 2), (2, 2))
        assert layer.output.shape[1:3] == (side, side)


def test_hidden_outputs_are_dropped_in_training_and_halved_in_testing(as_run):
    parts = {n: as_run.get_layer(n) for n in ("drop6", "halve6")}
    x = np.random.default_rng(0).normal(size=(4, 4096)).astype("float32")

    def outputs(training):
        return parts["halve6"](parts["drop6"](x, training=training)).numpy()

    np.testing.assert_array_equal(outputs(False), x * np.float32(0.5))
    with batch_slice(seed=1, step=tf.constant(0, tf.int64), start=0, size=4):
        trained = outputs(True)
    kept = trained != 0
    assert 0.45 < kept.mean() < 0.55
    np.testing.assert_array_equal(trained[kept], x[kept])  # not doubled


def test_towers_meet_in_conv3_only():
    model = build_model("alexnet_as_run", image_size=64, num_classes=10)
    pool2 = keras.Model(model.input, model.get_layer("pool2").output)
    image = np.random.default_rng(0).normal(0, 50, (1, 64, 64, 3))
    before = pool2(image).numpy()
    conv1 = model.get_layer("conv1")
    kernel = conv1.kernel.numpy()
    kernel[..., 48:] = 0  # nothing reaches the second tower
    conv1.kernel.assign(kernel)
    after = pool2(image).numpy()
    np.testing.assert_array_equal(before[..., :128], after[..., :128])
    assert (before[..., 128:] != after[..., 128:]).any()


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
    config = (
        build_model("alexnet_as_run", image_size=64, num_classes=2)
        .get_layer("spatial2")
        .get_config()
    )
    assert {k: config[k] for k in ("size", "k", "alpha", "beta")} == {
        "size": 5,
        "k": 1.0,
        "alpha": 4e-5,
        "beta": 0.75,
    }


# The same weights give the logits of independent implementations.


@pytest.mark.parametrize(
    "oracle,variant",
    [
        ("caffe_alexnet_caffe", "bvlc_alexnet"),
        ("caffe_caffenet", "caffenet"),
        ("caffe_alexnet_paper_lrn", "alexnet"),
    ],
)
def test_logits_are_those_of_the_published_prototxts(oracle, variant):
    model = build_model(variant, image_size=224)
    from_caffe(golden.state(oracle), model)
    image = golden.image(oracle)[:, :224, :224]  # the rest is zeros
    assert golden.difference(model(image).numpy(), oracle) < 1e-5


def test_227_pixels_give_the_same_as_224_and_zeros():
    model = build_model("bvlc_alexnet")  # Caffe's own size
    from_caffe(golden.state("caffe_alexnet_caffe"), model)
    logits = model(golden.image("caffe_alexnet_caffe")).numpy()
    assert golden.difference(logits, "caffe_alexnet_caffe") < 1e-5
