"""What the paper on wide residual networks says, and published weights."""

import dataclasses
import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.errors import RunError
from reproductions.resnext import forms as resnext
from reproductions.wide_resnet import weights
from reproductions.wide_resnet.augmentation import RandomReflectedShift
from reproductions.wide_resnet.model import (
    CifarForm,
    cifar_maps,
    wide_block,
)
from reproductions.wide_resnet.weights import from_torchvision
from tests.reproductions.graphs import context, convolve, draws, graph_of, randomize
from tests.reproductions.layouts import check_torch_entries, constant, take, torch_entries

build_model = functools.partial(reproductions.build_model, "wide_resnet")
RECIPES = reproductions.load("wide_resnet").RECIPES

EPSILON = 1e-5
LAYERS34 = (3, 4, 6, 3)


def test_n_is_the_number_of_convolutions():
    for depth, width in ((28, 10), (16, 8), (40, 4)):
        layers = graph_of("wide_resnet", f"cifar_wrn_{depth}_{width}").layers
        assert sum(isinstance(x, keras.layers.Conv2D) for x in layers) == depth
    with pytest.raises(ValueError, match="6 N \\+ 4"):
        cifar_maps(keras.Input((32, 32, 3)), CifarForm(depth=27, width=1, dropout=0.0))


def test_gamma_starts_as_in_the_release():
    keras.utils.set_random_seed(0)
    form = CifarForm(depth=10, width=1, dropout=0.0)
    model = build_model("cifar_wrn_16_8", image_size=8, network=form)
    gammas = np.concatenate([w.numpy() for w in model.weights if w.name == "gamma"])
    assert 0 <= gammas.min() < 0.05 and 0.95 < gammas.max() <= 1
    assert gammas.mean() == pytest.approx(0.5, abs=0.05)
    model = build_model("wrn_18_1", image_size=32)
    assert all((w.numpy() == 1).all() for w in model.weights if w.name == "gamma")


def block_parameters(sizes, blocks, width=2):
    """Of a network with `blocks` blocks in a group, by arithmetic.

    `sizes` are the kernels of a block's convolutions.
    """
    params, maps = 27 * 16, 16
    for filters in (16 * width, 32 * width, 64 * width):
        for _ in range(blocks):
            params += maps * filters * (maps != filters)
            for size in sizes:
                params += size * size * maps * filters + 2 * maps
                maps = filters
    return params + 2 * maps + 10 * (maps + 1)


def test_convolutions_per_block_do_not_change_the_parameters():  # Table 3
    for convolutions, blocks in ((1, 12), (2, 6), (3, 4), (4, 3)):
        assert block_parameters((3,) * convolutions, blocks) == 2_243_546


@pytest.mark.parametrize(
    "sizes,label,printed,depth",
    [
        ((1, 3, 1), 40, 1.4, 58),
        ((3, 1), 40, 1.2, 40),
        ((1, 3), 40, 1.3, 40),
        ((3, 1, 1), 40, 1.3, 58),
        ((3, 3), 28, 1.5, 28),
        ((3, 1, 3), 22, 1.1, 31),
    ],
)
def test_table_2_counts_blocks_as_if_they_had_two_layers(sizes, label, printed, depth):
    blocks = (label - 4) // 6
    assert round(block_parameters(sizes, blocks) / 1e6, 1) == printed
    assert 1 + 3 * blocks * len(sizes) + 3 == depth


def before(tensor):
    """Names of the layers that lead to a tensor one by one, last first."""
    names = []
    while True:
        operation, index, _ = tensor._keras_history
        names.append(operation.name)
        parents = operation._inbound_nodes[index].input_tensors
        if len(parents) != 1 or isinstance(operation, keras.layers.InputLayer):
            return names
        tensor = parents[0]


def test_cifar_blocks_are_pre_activated():
    model = graph_of("wide_resnet", "cifar_wrn_28_10")
    branch = "b dropout b_relu b_bn a a_pad a_relu a_bn".split()
    for layer, chain in {
        "conv3_1_b": [*(f"conv3_1_{part}" for part in branch), "conv2_4_add"],
        "fc": ["fc", "pool", "last_relu", "last_bn", "conv4_4_add"],
        # Neither BN nor ReLU behind the first convolution.
        "conv2_1_a": ["conv2_1_a", "conv2_1_a_relu", "conv2_1_a_bn", "conv1"],
    }.items():
        assert before(model.get_layer(layer).output)[: len(chain)] == chain
    # Later blocks add their own input, as it came.
    added = model.get_layer("conv3_2_add").input
    assert [before(t)[0] for t in added] == ["conv3_1_add", "conv3_2_b"]


def test_dropout_works_in_training_only_and_leaves_the_shortcut():
    image = keras.Input((4, 4, 16))
    model = keras.Model(image, wide_block(image, 16, strides=1, dropout=0.999, name="b"))
    x = draws(2, 4, 4, 16)
    none = keras.Model(image, wide_block(image, 16, strides=1, dropout=0.0, name="n"))
    none.set_weights(model.get_weights())
    tested = model(x, training=False).numpy()
    np.testing.assert_array_equal(tested, none(x))
    assert abs(tested - x).max() > 0.1
    trained = model(x, training=True).numpy()
    assert (trained == x).mean() > 0.5  # nothing came through the branch


@pytest.mark.parametrize("filters,strides", [(5, 1), (7, 2), (7, 1)])
def test_a_block_is_what_the_formula_says(filters, strides):
    image = keras.Input((6, 6, 5))
    y = wide_block(image, filters, strides=strides, dropout=0.3, name="b")
    model = randomize(keras.Model(image, y), 0.5)

    def act(x, name):
        gamma, beta, mean, variance = (v.numpy() for v in model.get_layer(f"{name}_bn").variables)
        scale = gamma / np.sqrt(variance + EPSILON)
        return np.maximum((x - mean) * scale + beta, 0)

    def kernel(name):
        return model.get_layer(name).kernel.numpy()

    x = np.random.default_rng(0).normal(size=(6, 6, 5))
    first = act(x, "b_a")
    short = convolve(first, kernel("b_shortcut"), strides) if filters != 5 else x
    second = act(convolve(first, kernel("b_a"), strides), "b_b")
    wanted = short + convolve(second, kernel("b_b"))
    found = model(x[None].astype("float32")).numpy()[0]
    np.testing.assert_allclose(found, wanted, atol=1e-5 * abs(wanted).max())


def test_wrn_50_2_is_the_1x128d_of_resnext():
    """Whose blocks give torchvision's logits (test_golden.py)."""
    sizes = {"image_size": 32, "num_classes": 10}
    ours = build_model("wrn_50_2", **sizes)
    form = dataclasses.replace(resnext.FORMS["resnet50_1x64d"], width=128)
    theirs = reproductions.build_model("resnext", "resnet50_1x64d", network=form, **sizes)
    randomize(theirs)
    names = [layer.name for layer in theirs.layers if layer.weights]
    assert names == [layer.name for layer in ours.layers if layer.weights]
    for name in names:
        ours.get_layer(name).set_weights(theirs.get_layer(name).get_weights())
    images = draws(2, 32, 32, 3)
    wanted, found = theirs(images).numpy(), ours(images).numpy()
    assert abs(wanted - found).max() < 1e-5 * abs(wanted).max()


def test_shifted_images_are_filled_with_their_reflection():
    rows = tf.range(32.0)
    image = tf.stack([tf.repeat(rows[:, None], 32, 1), tf.repeat(rows[None], 32, 0)], axis=-1)
    seen = set()
    for position in range(700):
        shifted = RandomReflectedShift(4)(image, context(position)).numpy()
        assert shifted.shape == (32, 32, 2)
        place = []
        for line in (shifted[:, 16, 0], shifted[16, :, 1]):
            start = line[16] - 16
            reflected = abs(np.arange(32) + start)  # row -1 is row 1
            reflected = 31 - abs(31 - reflected)  # row 32 is row 30
            np.testing.assert_array_equal(line, reflected)
            place.append(int(start))
        seen.add(tuple(place))
    every = range(-4, 5)
    assert seen == {(i, j) for i in every for j in every}


def test_torchvisions_entries_fit(monkeypatch):
    entries, model = torch_entries(LAYERS34, width=128), graph_of("wide_resnet", "wrn_50_2")
    trained = [shape for entry, shape in entries.items() if "running" not in entry and shape]
    assert sum(map(math.prod, trained)) == 68_883_240
    with pytest.raises(RunError, match="unknown: layer3.10.bn1.bias"):
        from_torchvision(constant(torch_entries((3, 4, 23, 3), width=128)), model)
    with pytest.raises(RunError, match="it belongs to another network"):
        from_torchvision(constant(torch_entries(LAYERS34)), model)
    found = take(monkeypatch, weights, "torchvision", {}, model)
    check_torch_entries(model, found["prefixes"], entries, conv4_6_b="layer3.5.conv2")
