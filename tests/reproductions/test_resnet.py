"""What the networks of the ResNet paper compute: Sections 3.2 to 4.1."""

import functools
import math

import keras
import numpy as np
import pytest

import reproductions
from common.papers.expected import read_expected
from reproductions.resnet import weights
from reproductions.resnet.forms import FORMS
from tests import golden
from tests.reproductions.graphs import draws, graph_of, part
from tests.reproductions.layouts import check_torch_entries, take, torch_entries

build_model = functools.partial(reproductions.build_model, "resnet")
RECIPES = reproductions.load("resnet").RECIPES

# Table 1: blocks of each stage.
BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def small(variant, **kwargs):
    keras.utils.set_random_seed(0)
    return build_model(variant, image_size=32, num_classes=10, **kwargs)


def test_plain_networks_add_nothing():
    layers = graph_of("resnet", "plain34").layers
    assert not any(isinstance(layer, keras.layers.Add) for layer in layers)


@pytest.mark.parametrize("name", ["conv2_2", "conv4_1"])
def test_a_block_with_an_empty_branch_is_its_shortcut(name):
    model = small("resnet18_a")
    norm = model.get_layer(f"{name}_b_bn")
    norm.gamma.assign(keras.ops.zeros_like(norm.gamma))
    before = {"conv2_2": "conv2_1_relu", "conv4_1": "conv3_2_relu"}[name]
    block = part(model, "image", before, f"{name}_relu")
    x, y = (maps.numpy() for maps in block(draws(2, 32, 32, 3)))
    if name == "conv4_1":
        x = np.pad(x[:, ::2, ::2], [(0, 0)] * 3 + [(0, 128)])
    assert x.any()
    np.testing.assert_array_equal(y, np.maximum(x, 0))


@pytest.mark.parametrize("variant", ["resnet50", "resnet50_caffe"])
@pytest.mark.parametrize("side", [8, 9])  # of conv1's output
def test_pooling_windows_begin_where_the_form_says(variant, side):
    model = graph_of("resnet", variant, image_size=2 * side)
    pool = part(model, "conv1_relu", "pool1")
    x = abs(np.random.default_rng(0).normal(size=(1, side, side, 64)))
    x = x.astype("float32")
    begin = -1 if variant == "resnet50" else 0
    number = (  # padded: rounded down; Caffe's: up, the last may overhang
        (side + 2 - 3) // 2 + 1 if begin else math.ceil((side - 3) / 2) + 1
    )
    starts = [begin + 2 * n for n in range(number)]
    wanted = [
        [x[0, max(0, i) : i + 3, max(0, j) : j + 3].max((0, 1)) for j in starts] for i in starts
    ]
    np.testing.assert_array_equal(pool(x)[0], wanted)


def test_a_training_batch_is_guessed_at_with_even_odds():
    """A new network's loss is ln(classes), its statistics the batch's own."""
    for variant in ("plain18", "resnet18_a"):
        logits = small(variant)(60 * draws(16, 32, 32, 3), training=True).numpy()
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        loss = -logs[np.arange(16), np.arange(16) % 10].mean()
        assert 0.8 < loss / math.log(10) < 1.3, variant


def test_the_variants_deviations_are_where_they_apply():
    for variant, form in FORMS.items():
        fields = [d.field for d in RECIPES[variant].deviations]
        released = variant.endswith("_caffe")
        wanted = {
            "stride of a bottleneck": form.bottleneck and not released,
            "padding of the max pooling": not released,
            "shortcuts of option A": form.shortcuts == "A",
            "shortcuts of 18 layers": variant == "resnet18",
            # The release's bias is that of its 50 layers alone.
            "bias of conv1": variant == "resnet50_caffe",
            "biases of convolutions": not released,
        }
        found = {field: f"build_model: {field}" in fields for field in wanted}
        assert found == wanted, variant


# Published weights; the logits: test_golden.py.


@pytest.mark.parametrize(
    ("oracle", "groups", "width"),
    [("torchvision_resnet50", 1, 64), ("torchvision_resnext50_32x4d", 32, 4)],
)
def test_torch_entries_are_torchvisions(oracle, groups, width):
    found = torch_entries(BLOCKS[50], groups=groups, width=width)
    assert {e: v.shape for e, v in golden.state(oracle).items()} == {
        e: v for e, v in found.items() if "num_batches" not in e
    }


@pytest.mark.parametrize("depth", BLOCKS)
def test_torchvisions_entries_fit_at_every_depth(depth, monkeypatch):
    name, bottleneck = f"resnet{depth}", depth >= 50
    entries = torch_entries(BLOCKS[depth], bottleneck=bottleneck)
    model = graph_of("resnet", f"{name}_v1_5" if bottleneck else name)
    prefixes = take(monkeypatch, weights, "torchvision", {}, model)["prefixes"]
    blocks = BLOCKS[depth][2]
    some = {f"conv4_{blocks}_b": f"layer3.{blocks - 1}.conv2"}
    some |= {f"conv4_{blocks}_b_bn": f"layer3.{blocks - 1}.bn2"}
    some |= {"conv5_1_shortcut": "layer4.0.downsample.0"}
    check_torch_entries(model, prefixes, entries, **some)
    if bottleneck:  # and into the release's, with its own name of fc
        caffe = graph_of("resnet", f"{name}_caffe")
        found = take(monkeypatch, weights, "caffe", {}, caffe)["prefixes"]
        assert found == prefixes | {"fc": "last_linear"}


def test_the_bias_of_the_released_conv1_is_normalised_away(monkeypatch):
    state = {"conv1.bias": draws(64), "bn1.running_mean": draws(64, seed=1), "other": draws(1)}
    found = take(monkeypatch, weights, "caffe", state, graph_of("resnet", "resnet50_caffe"))
    assert found["state"].keys() == {"bn1.running_mean", "other"}
    mean = state["bn1.running_mean"] - state["conv1.bias"]  # (x + bias) - mean
    np.testing.assert_array_equal(found["state"]["bn1.running_mean"], mean)


def test_the_epsilon_and_biases_of_keras_applications_are_made_up_for(monkeypatch):
    state = {f"conv1_{entry}": draws(64) for entry in ("conv/bias", "bn/moving_mean")}
    state["conv1_bn/moving_variance"] = np.full(64, 1e-6, "float32")
    ours = graph_of("resnet", "resnet50")
    found = take(monkeypatch, weights, "keras", state, ours)["state"]
    assert "conv1_conv/bias" not in found
    variance = found["conv1_bn/moving_variance"] + ours.get_layer("conv1_bn").epsilon
    np.testing.assert_allclose(variance, 1e-6 + 1.001e-5, rtol=1e-6)
    mean = state["conv1_bn/moving_mean"] - state["conv1_conv/bias"]
    np.testing.assert_array_equal(found["conv1_bn/moving_mean"], mean)


# The numbers of the ResNet paper: Table 1, Figure 3, Section 3.3.


EXPECTED = read_expected(reproductions.folder("resnet"))


def test_plain_networks_and_option_a_cost_the_same():  # Sec. 3.3
    for depth in (18, 34):
        for numbers in (EXPECTED.parameters, EXPECTED.macs):
            assert numbers[f"plain{depth}"] == numbers[f"resnet{depth}_a"]


def test_differences_of_table_2_are_those_of_the_text():  # Sec. 4.1
    error = {
        result.variant: result.top1_error
        for result in EXPECTED.result
        if result.source.startswith("Table") and result.views == "ten_crop"
    }
    plain, deep = error["plain34"], error["resnet34_a"]
    assert plain - deep == pytest.approx(3.51)
    assert error["resnet18_a"] - deep == pytest.approx(2.85)
    assert plain - error["plain18"] == pytest.approx(0.60)
