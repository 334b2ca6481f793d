"""What the networks of the ResNet paper compute: Sections 3.2 to 4.1."""

import dataclasses
import functools
import math

import keras
import numpy as np
import pytest

import reproductions
from common.data.transforms import RandomCrop, RandomFlip, RandomShorterSide
from common.recipes.schedules import DivideOnPlateau
from reproductions.resnet.forms import FORMS
from tests.reproductions.helpers import strided

build_model = functools.partial(reproductions.build_model, "resnet")
RECIPES = reproductions.load("resnet").RECIPES


def small(variant, **kwargs):
    keras.utils.set_random_seed(0)
    return build_model(variant, image_size=32, num_classes=10, **kwargs)


def noise(size, batch=2):
    draws = np.random.default_rng(0).standard_normal((batch, size, size, 3))
    return draws.astype("float32")


def projections(model):
    return [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and "shortcut" in layer.name
    ]


@pytest.mark.parametrize(
    "variant,number",
    [
        ("plain34", 0),
        ("resnet34_a", 0),
        ("resnet34", 3),
        ("resnet34_c", 16),  # thirteen more than B, Sec. 4.1
        ("resnet50", 4),
        ("resnet50_caffe", 4),
    ],
)
def test_number_of_projections(variant, number):
    assert len(projections(small(variant))) == number


@pytest.mark.parametrize(
    "variant,part",
    [
        ("plain18", "a"),
        ("resnet34_a", "a"),
        ("resnet18", "a"),
        ("resnet34_c", "a"),
        ("resnet50", "a"),  # the first 1x1
        ("resnet50_caffe", "a"),
        ("resnet50_v1_5", "b"),  # the 3x3
    ],
)
def test_strides_are_where_the_form_has_them(variant, part):
    found = strided(small(variant))
    wanted = {"conv1"} | {f"conv{stage}_1_{part}" for stage in (3, 4, 5)}
    if FORMS[variant].shortcuts in ("B", "C"):
        wanted |= {f"conv{stage}_1_shortcut" for stage in (3, 4, 5)}
    assert sorted(found) == sorted(wanted)


def test_plain_networks_add_nothing():
    def additions(variant):
        layers = small(variant).layers
        return sum(isinstance(layer, keras.layers.Add) for layer in layers)

    assert additions("plain34") == 0
    assert additions("resnet34_a") == 16


def test_identity_shortcuts_have_no_weights():
    model = small("resnet34_a")
    shortcuts = [layer for layer in model.layers if "shortcut" in layer.name]
    names = [f"conv{stage}_1_shortcut" for stage in (3, 4, 5)]
    assert [layer.name for layer in shortcuts] == names
    assert all(layer.weights == [] for layer in shortcuts)
    # Each maps (S, S, C) to (S / 2, S / 2, 2 C).
    sides = [layer.output.shape[1:] for layer in shortcuts]
    assert sides == [(4, 4, 128), (2, 2, 256), (1, 1, 512)]


@pytest.mark.parametrize("name", ["conv2_2", "conv4_1"])
def test_a_block_with_an_empty_branch_is_its_shortcut(name):
    model = small("resnet18_a")
    norm = model.get_layer(f"{name}_b_bn")
    norm.gamma.assign(keras.ops.zeros_like(norm.gamma))
    before = model.get_layer(f"{name}_a").input
    if name == "conv4_1":  # of the zero padding before a stride
        before = model.get_layer(f"{name}_a_pad").input
    block = keras.Model(model.input, [before, model.get_layer(f"{name}_relu").output])
    x, y = (t.numpy() for t in block(noise(32)))
    if name == "conv4_1":
        x = np.pad(x[:, ::2, ::2], [(0, 0)] * 3 + [(0, 128)])
    assert x.any()
    np.testing.assert_array_equal(y, np.maximum(x, 0))


@pytest.mark.parametrize("variant", ["resnet50", "resnet50_caffe"])
@pytest.mark.parametrize("side", [8, 9])  # of conv1's output
def test_pooling_windows_begin_where_the_form_says(variant, side):
    model = build_model(variant, image_size=2 * side, num_classes=2)
    pool = keras.Model(model.get_layer("conv1_relu").output, model.get_layer("pool1").output)
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


def test_convolutions_are_padded_alike_on_both_sides():
    """A stride does not shift the windows: mirrored images, mirrored maps."""
    model = build_model("resnet18", image_size=33, num_classes=2)
    kernels = [v for v in model.variables if len(v.shape) == 4]
    for kernel in kernels:
        kernel.assign(kernel + keras.ops.flip(kernel, 1))
    maps = keras.Model(model.input, model.get_layer("conv5_2_relu").output)
    x = noise(33, 1)
    there, back = maps(x).numpy(), maps(x[:, :, ::-1]).numpy()[:, :, ::-1]
    assert there.shape[1:3] == (2, 2)
    np.testing.assert_allclose(there, back, rtol=1e-3, atol=1e-3 * there.max())


@pytest.mark.parametrize("size", [1, 2, 3, 31, 32])
def test_every_image_size_works(size):
    model = build_model("resnet18", image_size=size, num_classes=3)
    assert np.isfinite(model(noise(size))).all()


def test_initial_weights():
    model = build_model("resnet18", image_size=32, num_classes=1000)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = layer.kernel.numpy()
            fan_in = math.prod(kernel.shape[:3])
            std = math.sqrt(2 / fan_in)
            np.testing.assert_allclose(kernel.std(), std, rtol=0.03)
            assert layer.bias is None
            assert abs(kernel).max() > 2.3 * std  # not truncated at 2
        if isinstance(layer, keras.layers.BatchNormalization):
            assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)
            np.testing.assert_array_equal(layer.gamma, 1)
    fc = model.get_layer("fc")
    np.testing.assert_allclose(fc.kernel.numpy().std(), 0.01, rtol=0.03)
    np.testing.assert_array_equal(fc.bias, 0)


def test_a_training_batch_is_guessed_at_with_even_odds():
    """A new network's loss is ln(classes), its statistics the batch's own."""
    for variant in ("plain34", "resnet34_a"):
        model = small(variant)
        logits = model(60 * noise(32, 16), training=True).numpy()
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        loss = -logs[np.arange(16), np.arange(16) % 10].mean()
        assert 0.8 < loss / math.log(10) < 1.3, variant


def test_recipe_of_the_paper():  # Sec. 3.4
    recipe = RECIPES["resnet50"]
    assert recipe.global_batch_size == 256
    assert recipe.optimizer.learning_rate == 0.1
    assert recipe.optimizer.momentum == 0.9
    assert not recipe.optimizer.nesterov
    assert recipe.weight_decay.rate == 1e-4
    assert recipe.weight_decay.variables == "kernel"
    assert recipe.train_transforms == (RandomShorterSide(256, 480), RandomCrop(224), RandomFlip())
    assert recipe.views == ("centre_crop", "ten_crop")
    assert recipe.updates == 600_000
    steps = 1_281_167 // recipe.global_batch_size
    assert (recipe.epochs - 1) * steps < recipe.updates
    assert recipe.updates <= recipe.epochs * steps
    assert isinstance(recipe.schedule, DivideOnPlateau)
    assert recipe.schedule.divisor == 10
    assert recipe.schedule.max_drops == 2  # "Identity Mappings": 30, 60


def test_all_variants_are_trained_alike():
    for variant, recipe in RECIPES.items():
        same = dataclasses.replace(RECIPES["resnet50"], deviations=recipe.deviations)
        assert recipe == same, variant


def fields(variant):
    fields = [d.field for d in RECIPES[variant].deviations]
    return {f.removeprefix("build_model: ") for f in fields}


def test_the_variants_deviations_name_the_stride_and_the_pooling():
    stride, pooling = "stride of a bottleneck", "padding of the max pooling"
    assert {stride, pooling} & fields("resnet34") == {pooling}
    assert {stride, pooling} & fields("resnet50") == {stride, pooling}
    assert {stride, pooling} & fields("resnet50_v1_5") == {stride, pooling}
    assert {stride, pooling} & fields("resnet50_caffe") == set()


def test_the_variants_deviations_name_biases_and_shortcuts():
    option_a, option_b = "shortcuts of option A", "shortcuts of 18 layers"
    for variant in RECIPES:
        found = fields(variant)
        assert (option_a in found) == variant.endswith("_a"), variant
        assert (option_b in found) == (variant == "resnet18"), variant
        # The release's bias is that of its 50 layers alone.
        biased = variant == "resnet50_caffe"
        assert ("bias of conv1" in found) == biased, variant
        silent = "caffe" not in variant
        assert ("biases of convolutions" in found) == silent, variant
