"""VGG's facts: Tables 1 and 2, Sections 2 and 3 of the paper, the slides."""

import dataclasses
import functools
import itertools
import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data.transforms import (
    CentreCrop,
    PcaColourNoise,
    RandomCrop,
    RandomFlip,
    RandomShorterSide,
    ResizeShorterSide,
    SubtractChannelMean,
)
from common.distribution.batch_slice import batch_slice
from common.models.layer_table import layer_table, totals, without_weights
from common.recipes.recipe import WeightDecay
from reproductions.vgg.forms import COLUMNS
from reproductions.vgg.model import GLOROT

build_model = functools.partial(reproductions.build_model, "vgg")
RECIPES = reproductions.load("vgg").RECIPES
SMALL = {"image_size": 32, "num_classes": 10}
# The networks of Table 1; the other variants are D, C or E, trained otherwise.
PAPERS = {
    "vgg11": "A",
    "vgg11_lrn": "A-LRN",
    "vgg13": "B",
    "vgg16_c": "C",
    "vgg16": "D",
    "vgg19": "E",
}
EVERY = "A A-LRN B C D E"
# layer, output, kernel, multiply-accumulates, columns of Table 1.
SLOTS = [
    ("conv1_1", (224, 224, 64), (3, 3, 3), 86_704_128, EVERY),
    ("norm1", (224, 224, 64), (), 0, "A-LRN"),
    ("conv1_2", (224, 224, 64), (3, 3, 64), 1_849_688_064, "B C D E"),
    ("pool1", (112, 112, 64), (2, 2), 0, EVERY),
    ("conv2_1", (112, 112, 128), (3, 3, 64), 924_844_032, EVERY),
    ("conv2_2", (112, 112, 128), (3, 3, 128), 1_849_688_064, "B C D E"),
    ("pool2", (56, 56, 128), (2, 2), 0, EVERY),
    ("conv3_1", (56, 56, 256), (3, 3, 128), 924_844_032, EVERY),
    ("conv3_2", (56, 56, 256), (3, 3, 256), 1_849_688_064, EVERY),
    ("conv3_3", (56, 56, 256), (1, 1, 256), 205_520_896, "C"),
    ("conv3_3", (56, 56, 256), (3, 3, 256), 1_849_688_064, "D E"),
    ("conv3_4", (56, 56, 256), (3, 3, 256), 1_849_688_064, "E"),
    ("pool3", (28, 28, 256), (2, 2), 0, EVERY),
    ("conv4_1", (28, 28, 512), (3, 3, 256), 924_844_032, EVERY),
    ("conv4_2", (28, 28, 512), (3, 3, 512), 1_849_688_064, EVERY),
    ("conv4_3", (28, 28, 512), (1, 1, 512), 205_520_896, "C"),
    ("conv4_3", (28, 28, 512), (3, 3, 512), 1_849_688_064, "D E"),
    ("conv4_4", (28, 28, 512), (3, 3, 512), 1_849_688_064, "E"),
    ("pool4", (14, 14, 512), (2, 2), 0, EVERY),
    ("conv5_1", (14, 14, 512), (3, 3, 512), 462_422_016, EVERY),
    ("conv5_2", (14, 14, 512), (3, 3, 512), 462_422_016, EVERY),
    ("conv5_3", (14, 14, 512), (1, 1, 512), 51_380_224, "C"),
    ("conv5_3", (14, 14, 512), (3, 3, 512), 462_422_016, "D E"),
    ("conv5_4", (14, 14, 512), (3, 3, 512), 462_422_016, "E"),
    ("pool5", (7, 7, 512), (2, 2), 0, EVERY),
    ("flatten", (25088,), (), 0, EVERY),
    ("fc6", (4096,), (), 102_760_448, EVERY),
    ("drop6", (4096,), (), 0, EVERY),
    ("fc7", (4096,), (), 16_777_216, EVERY),
    ("drop7", (4096,), (), 0, EVERY),
    ("fc8", (1000,), (), 4_096_000, EVERY),
]
each_network = pytest.mark.parametrize("variant", PAPERS)


@pytest.fixture(scope="module")
def tables():
    """The layers of each network at full size."""
    with without_weights():
        names = (*PAPERS, "vgg13_5x5")
        return {v: layer_table(build_model(v)) for v in names}


def small(variant, **sizes):
    keras.utils.set_random_seed(0)
    return build_model(variant, **(SMALL | sizes))


def with_kernels(model):
    return [layer for layer in model.layers if layer.weights]


@functools.cache
def kernel_shapes(variant):
    """{layer: kernel's shape} in order, for 32x32 pixels."""
    layers = with_kernels(small(variant))
    return {layer.name: tuple(layer.kernel.shape) for layer in layers}


def test_the_papers_networks_are_its_columns():
    assert {v: COLUMNS[v] for v in PAPERS} == PAPERS


@each_network
def test_layers_are_those_of_table_1(variant, tables):
    column = PAPERS[variant]
    wanted = [s[:4] for s in SLOTS if column in s[4].split()]
    found = [(r.name, r.output, r.kernel, r.macs) for r in tables[variant]]
    assert found == wanted
    for row in tables[variant]:
        if row.name.startswith("conv"):
            side = row.kernel[0] // 2
            assert (row.strides, row.padding) == (1, str(side)), row.name
        if row.name.startswith("pool"):
            assert (row.strides, row.padding) == (2, "0"), row.name


@each_network
def test_a_networks_name_says_how_many_layers_have_weights(variant, tables):
    assert totals(tables[variant]).depth == int(variant[3:5])


def test_the_slides_sums(tables):
    rows = [row for row in tables["vgg16"] if row.name.startswith(("conv", "pool", "fc"))]
    assert len(rows) == 21
    memory = sum(row.volume for row in rows)
    assert memory == 15_087_080
    assert round(4 * memory / 1e6, 1) == 60.3  # "~= 60M / image"


def test_a_lrn_normalises_what_conv1_1_gives_with_alexnets_constants():
    model = small("vgg11_lrn")
    norm = model.get_layer("norm1")
    assert norm.input is model.get_layer("conv1_1").output
    constants = norm.n, norm.k, norm.alpha, norm.beta, norm.groups
    assert constants == (5, 2.0, 1e-4, 0.75, 1)


@each_network
def test_every_hidden_layer_ends_in_a_relu_and_the_last_does_not(variant):
    *hidden, last = with_kernels(small(variant))
    assert {layer.activation.__name__ for layer in hidden} == {"relu"}
    assert last.activation.__name__ == "linear"


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


def test_one_large_kernel_has_81_percent_more_weights(tables):  # Sec. 2.3
    rows = {row.name: row for row in tables["vgg16"]}
    three = sum(rows[f"conv5_{i}"].weights for i in (1, 2, 3))
    assert three == 27 * 512**2
    assert round(100 * (7 * 7 * 512**2 / three - 1)) == 81


def test_b_with_5x5_has_one_for_each_two_3x3_of_b(tables):  # Sec. 4.1
    b = {row.name: row for row in tables["vgg13"]}
    rows = {row.name: row for row in tables["vgg13_5x5"]}
    assert set(rows) == {name for name in b if not name.endswith("_2")}
    weights = 0
    for block, (before, after) in enumerate(itertools.pairwise((3, 64, 128, 256, 512, 512)), 1):
        row = rows[f"conv{block}_1"]
        assert (row.kernel[:2], row.padding) == ((5, 5), "2")
        assert row.output == b[f"conv{block}_2"].output
        weights += 25 * before * after
    assert b["pool5"].output == rows["pool5"].output
    dense = sum(row.weights for row in b.values() if row.name.startswith("fc"))
    total = totals(tables["vgg13_5x5"])
    assert (total.weights, total.depth) == (weights + dense, 8)
    assert RECIPES["vgg13_5x5"].initialize_from is None


@each_network
def test_initial_weights_are_normal_of_a_hundredth(variant):  # Sec. 3.1
    for layer in with_kernels(small(variant, num_classes=1000)):
        kernel = layer.kernel.numpy()
        error = 5 / math.sqrt(kernel.size)
        assert abs(kernel.mean()) < 0.01 * error, layer.name
        assert abs(kernel.std() / 0.01 - 1) < error, layer.name
        assert abs(kernel).max() > 0.03, layer.name  # not truncated
        np.testing.assert_array_equal(layer.bias, 0)


@pytest.mark.parametrize("variant", GLOROT)
def test_glorot_and_bengios_initial_weights(variant):
    for layer in with_kernels(small(variant, num_classes=1000)):
        kernel = layer.kernel.numpy()
        window = math.prod(kernel.shape[:-2])
        fans = window * (kernel.shape[-2] + kernel.shape[-1])
        limit = math.sqrt(6 / fans)
        assert 0.98 * limit < abs(kernel).max() <= limit * 1.0001, layer.name
        error = 5 / math.sqrt(kernel.size)
        assert abs(kernel.std() * math.sqrt(3) / limit - 1) < error
        np.testing.assert_array_equal(layer.bias, 0)


def gain(model, factor=1.0):
    """Logits' over input's standard deviation, kernels times `factor`."""
    for layer in with_kernels(model):
        layer.kernel.assign(factor * layer.kernel)
    noise = np.random.default_rng(0).normal(size=(4, *model.input_shape[1:]))
    return float(np.std(model(noise.astype("float32"))))


def test_a_variance_of_a_hundredth_explodes_and_a_deviation_vanishes():
    gains = {v: gain(small(v)) for v in ("vgg11", "vgg16", "vgg19")}
    shrinking = list(gains.values())
    assert shrinking == sorted(shrinking, reverse=True)
    assert gains["vgg19"] < 1e-8 < 1e-7 < gains["vgg11"]
    # N(0, 0.1^2), the letter of Sec. 3.1: each of 19 layers gives ten times.
    literal = gain(small("vgg19"), factor=10)
    np.testing.assert_allclose(literal, 1e19 * gains["vgg19"], rtol=1e-3)
    assert literal > 1e8
    assert 1e-4 < gain(small("vgg16_glorot")) < 1
    assert gain(small("vgg16_glorot")) < gain(small("vgg11_glorot")) < 1


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


@pytest.mark.parametrize("variant", ["vgg16_c", "vgg16", "vgg19"])
def test_larger_sizes_start_from_all_layers_of_the_smaller(variant):  # Sec. 3.1
    chain = {f"{variant}_jitter": f"{variant}_384", f"{variant}_384": variant}
    for later, earlier in chain.items():
        start = RECIPES[later].initialize_from
        assert start.variant == earlier
        assert COLUMNS[later] == COLUMNS[earlier]
        shapes = kernel_shapes(later)
        assert shapes == kernel_shapes(earlier)
        assert all(re.fullmatch(start.layers, name) for name in shapes)


@pytest.mark.parametrize("variant", RECIPES)
def test_recipes_differ_only_in_scale_start_and_rate(variant):
    recipe = RECIPES[variant]
    large = variant.endswith(("_384", "_jitter"))
    resize = {"384": ResizeShorterSide(384), "jitter": RandomShorterSide(256, 512)}.get(
        variant.rpartition("_")[2], ResizeShorterSide(256)
    )
    assert recipe.train_transforms == (resize, RandomCrop(224), RandomFlip())
    # Q = S, and (256 + 512) / 2 for both ends: Sec. 4.1.
    side = 384 if large else 256
    assert recipe.test_transforms == (ResizeShorterSide(side), CentreCrop(side))
    assert recipe.optimizer.learning_rate == (1e-3 if large else 1e-2)
    alone = variant in ("vgg11", "vgg11_lrn", "vgg13_5x5", *GLOROT)
    assert (recipe.initialize_from is None) == alone
    same = dataclasses.replace(
        RECIPES["vgg16"],
        train_transforms=recipe.train_transforms,
        test_transforms=recipe.test_transforms,
        optimizer=recipe.optimizer,
        initialize_from=recipe.initialize_from,
        deviations=recipe.deviations,
    )
    assert recipe == same


def test_recipe_of_the_paper():  # Sec. 3.1
    recipe = RECIPES["vgg16"]
    assert recipe.global_batch_size == 256
    assert recipe.optimizer.momentum == 0.9
    assert recipe.weight_decay == WeightDecay(rate=5e-4, variables="kernel")
    assert recipe.group_schedules == ()
    assert recipe.normalize == SubtractChannelMean()
    assert recipe.train_noise == (PcaColourNoise(std=0.1, shrink=1.0),)
    assert (recipe.schedule.divisor, recipe.schedule.max_drops) == (10.0, 3)
    steps = 1_281_167 // 256
    assert recipe.updates == 370_000
    assert (recipe.epochs - 1) * steps < recipe.updates < recipe.epochs * steps


def test_half_of_fc6_and_fc7_is_dropped_in_training_only():
    model = small("vgg16")
    x = np.ones((4, 4096), "float32")
    for name in ("drop6", "drop7"):
        drop = model.get_layer(name)
        np.testing.assert_array_equal(drop(x, training=False), x)
        with batch_slice(seed=1, step=tf.constant(0, tf.int64), start=0, size=4):
            trained = drop(x, training=True).numpy()
        assert set(np.unique(trained)) == {0.0, 2.0}
        assert 0.45 < (trained > 0).mean() < 0.55
