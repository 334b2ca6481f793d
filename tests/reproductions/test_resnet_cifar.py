"""Facts of Section 4.2 of the ResNet paper, and published weights."""

import functools

import keras
import numpy as np
import pytest

import reproductions
from common.models.layers import ParameterFreeShortcut
from reproductions.resnet_cifar import weights
from tests.reproductions.graphs import draws, graph_of, part
from tests.reproductions.layouts import take

build_model = functools.partial(reproductions.build_model, "resnet_cifar")
RECIPES = reproductions.load("resnet_cifar").RECIPES


def additions(model):
    kinds = (type(layer) for layer in model.layers)
    return sum(kind is keras.layers.Add for kind in kinds)


@pytest.mark.parametrize("depth", [20, 32, 44, 56])
def test_there_are_3n_shortcuts_and_none_has_weights(depth):
    n = (depth - 2) // 6
    residual, plain = (
        graph_of("resnet_cifar", f"cifar_{kind}{depth}") for kind in ("resnet", "plain")
    )
    assert additions(residual) == 3 * n
    assert additions(plain) == 0
    assert residual.count_params() == plain.count_params()
    shortcuts = [layer for layer in residual.layers if isinstance(layer, ParameterFreeShortcut)]
    assert [layer.filters for layer in shortcuts] == [32, 64]
    assert not any(layer.weights for layer in shortcuts)


def test_a_shortcut_takes_every_second_pixel_and_adds_zero_maps():
    x = draws(2, 5, 6, 3)
    y = ParameterFreeShortcut(7, 2)(x).numpy()
    np.testing.assert_array_equal(y[..., :3], x[:, ::2, ::2])
    assert y.shape == (2, 3, 3, 7)
    assert not y[..., 3:].any()
    z = ParameterFreeShortcut(7, 2, zeros_before=2)(x).numpy()
    np.testing.assert_array_equal(z[..., 2:5], x[:, ::2, ::2])
    assert not z[..., :2].any() and not z[..., 5:].any()


def test_a_block_whose_residual_is_zero_is_a_relu_of_its_input():
    model = build_model("cifar_resnet20")
    for norm in ("stage1_2_conv2_bn", "stage2_1_conv2_bn"):
        gamma = model.get_layer(norm).gamma
        gamma.assign(np.zeros(gamma.shape))
    ends = ("stage1_1_relu2", "stage1_2_relu2", "stage1_3_relu2", "stage2_1_relu2")
    before, same, last, halved = (
        maps.numpy() for maps in part(model, "image", *ends)(draws(1, 32, 32, 3))
    )
    np.testing.assert_array_equal(same, before)
    np.testing.assert_array_equal(halved[..., :16], last[:, ::2, ::2])
    assert not halved[..., 16:].any()


def test_the_variants_deviations_name_the_shortcut_and_the_warm_up():
    def fields(variant):
        wanted = {"model: shortcuts", "schedule: warm-up", "held_out"}
        return wanted & {d.field for d in RECIPES[variant].deviations}

    assert fields("cifar_plain20") == {"held_out"}
    assert fields("cifar_resnet20") == {"held_out", "model: shortcuts"}
    assert fields("cifar_plain110") == {"held_out", "schedule: warm-up"}
    assert len(fields("cifar_resnet1202")) == 3
    assert fields("akamaster_resnet20") == {"model: shortcuts"}


@pytest.mark.parametrize("depth", [20, 44])
def test_published_weights_go_where_their_names_say(depth, monkeypatch):
    n = (depth - 2) // 6
    convs = [
        f"{s}.{b}.{kind}{c}"
        for s in (1, 2, 3)
        for b in range(n)
        for c in (1, 2)
        for kind in ("conv", "bn")
    ]
    model = graph_of("resnet_cifar", f"akamaster_resnet{depth}")
    found = take(monkeypatch, weights, "akamaster", {}, model)["prefixes"]
    theirs = {found[layer.name] for layer in model.layers if layer.weights}
    assert theirs == {"conv1", "bn1", "linear", *(f"layer{name}" for name in convs)}
    assert found["stage2_3_conv1"] == "layer2.2.conv1"
    assert found["stage3_1_conv2_bn"] == "layer3.0.bn2"
