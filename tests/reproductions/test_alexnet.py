"""AlexNet's facts: Sections 3 to 5 of the paper, and net 145."""

import dataclasses
import functools
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
    ResizeShorterSide,
    SubtractCentreMean,
    SubtractMeanImage,
    UntilEpoch,
)
from common.distribution.batch_slice import batch_slice
from common.recipes.recipe import WeightDecay
from common.recipes.schedules import DivideOnPlateau
from common.training.optimizers import rates_at
from reproductions.alexnet.forms import FORMS
from reproductions.alexnet.model import SpatialResponseNormalization

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


def test_lrn_constants_of_the_four_parameterisations():
    def constants(variant):
        model = build_model(variant, image_size=64, num_classes=10)
        layer = model.get_layer("norm2")
        return layer.n, layer.k, layer.alpha, layer.beta, layer.groups

    assert constants("alexnet") == (5, 2.0, 1e-4, 0.75, 1)  # Sec. 3.3
    assert constants("alexnet_as_run") == (5, 2.0, 2e-5, 0.75, 2)
    assert constants("bvlc_alexnet") == (5, 1.0, 2e-5, 0.75, 1)
    assert constants("caffenet") == (5, 1.0, 2e-5, 0.75, 1)


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


@pytest.mark.parametrize("variant", ["alexnet", "alexnet_no_dropout"])
def test_dropout_is_in_all_but_one_control(variant):  # Sec. 4.2
    model = build_model(variant, image_size=64, num_classes=10)
    images = keras.random.normal((2, 64, 64, 3), seed=0)
    tested, trained = model(images), model(images, training=True)
    same = np.array_equal(tested, trained)
    assert same == (variant == "alexnet_no_dropout")


BIASES = {"conv2", "conv4", "conv5", "fc6", "fc7"}


@pytest.mark.parametrize(
    "variant,bias,conv3,fc6",
    [
        ("alexnet", 1.0, 0.01, 0.01),  # Sec. 5
        ("alexnet_as_run", 1.0, 0.03, 0.01),
        ("bvlc_alexnet", 0.1, 0.01, 0.005),
        ("caffenet", 1.0, 0.01, 0.005),
    ],
)
def test_initial_weights(variant, bias, conv3, fc6):
    keras.utils.set_random_seed(0)
    model = build_model(variant, image_size=64, num_classes=100)
    stds = dict.fromkeys(["conv1", "conv2", "fc8"], 0.01)
    stds |= dict.fromkeys(["conv3", "conv4", "conv5"], conv3)
    stds |= dict.fromkeys(["fc6", "fc7"], fc6)
    for name, std in stds.items():
        layer = model.get_layer(name)
        kernel, found = layer.kernel.numpy(), layer.bias.numpy()
        assert abs(kernel.mean()) < 5 * std / math.sqrt(kernel.size), name
        np.testing.assert_allclose(kernel.std(), std, rtol=0.02, err_msg=name)
        wanted = np.float32(bias if name in BIASES else 0)
        np.testing.assert_array_equal(found, wanted, err_msg=name)


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


def test_recipe_of_the_paper():
    recipe = RECIPES["alexnet"]
    assert (recipe.epochs, recipe.global_batch_size) == (90, 128)
    assert recipe.optimizer.learning_rate == 0.01
    assert recipe.optimizer.momentum == 0.9
    assert recipe.weight_decay == WeightDecay(rate=5e-4, variables="kernel")
    assert recipe.train_transforms == (*FRAME, RandomCrop(224), RandomFlip())
    assert recipe.test_transforms == FRAME
    assert recipe.normalize == SubtractMeanImage()
    assert recipe.train_noise == (PcaColourNoise(std=0.1, shrink=1.0),)
    assert recipe.views == ("centre_crop", "ten_crop")
    assert isinstance(recipe.schedule, DivideOnPlateau)
    assert recipe.schedule.max_drops == 3
    assert recipe.group_schedules == ()


def test_ablations_differ_from_the_paper_in_the_network_only():
    controls = set(FORMS) - {"alexnet", "alexnet_as_run", *CAFFES}
    for variant in controls:
        recipe = RECIPES[variant]
        main = dataclasses.replace(RECIPES["alexnet"], deviations=recipe.deviations)
        assert recipe == main


@pytest.mark.parametrize(
    "epoch,weights,biases,conv1,conv1_biases",
    [
        (0, 1e-2, 2e-2, 1e-2, 2e-2),
        (25, 1e-3, 2e-2, 1e-3, 2e-2),
        (51, 1e-4, 2e-2, 1e-4, 2e-2),
        (67, 1e-4, 2e-2, 1e-5, 2e-2),
        (71, 1e-4, 2e-2, 1e-5, 2e-2),
        (72, 1e-4, 2e-2, 0.0, 0.0),
        (79, 1e-5, 2e-2, 0.0, 0.0),
        (90, 1e-5, 2e-2, 0.0, 0.0),
    ],
)
def test_rates_of_net_145(epoch, weights, biases, conv1, conv1_biases):
    recipe = RECIPES["alexnet_as_run"]
    found = rates_at(recipe, epoch=epoch, step=0, steps_per_epoch=1, history=[])
    forms = [group.variables for group in recipe.group_schedules]
    rates = {
        path: next(
            rate for form, rate in zip([*forms, ""], found, strict=True) if re.search(form, path)
        )
        for path in ("conv1/kernel", "conv1/bias", "conv2/bias", "fc8/kernel")
    }
    assert rates == pytest.approx(
        {
            "conv1/kernel": conv1,
            "conv1/bias": conv1_biases,
            "conv2/bias": biases,
            "fc8/kernel": weights,
        }
    )


def test_what_else_net_145_changes():
    recipe = RECIPES["alexnet_as_run"]
    changed = {
        "epochs": 91,
        "normalize": SubtractCentreMean(),
        "train_noise": (UntilEpoch(67, PcaColourNoise(std=0.1, shrink=1.1)),),
        "schedule": recipe.schedule,  # test_rates_of_net_145
        "group_schedules": recipe.group_schedules,
        "deviations": recipe.deviations,
    }
    assert recipe == dataclasses.replace(RECIPES["alexnet"], **changed)


@pytest.mark.parametrize("variant", CAFFES)
def test_recipe_of_caffe(variant):
    recipe = RECIPES[variant]
    assert (recipe.epochs, recipe.global_batch_size) == (90, 256)
    assert recipe.image_size == 227
    assert recipe.optimizer == RECIPES["alexnet"].optimizer
    assert recipe.weight_decay == WeightDecay(rate=5e-4, variables="kernel")
    assert recipe.train_transforms == (*FRAME, RandomCrop(227), RandomFlip())
    assert recipe.test_transforms == FRAME
    assert recipe.normalize == SubtractMeanImage()
    assert recipe.train_noise == ()
    assert recipe.views == ("centre_crop",)
    assert [g.variables for g in recipe.group_schedules] == ["bias"]
    for epoch in range(90):
        biases, weights = rates_at(recipe, epoch=epoch, step=0, steps_per_epoch=1, history=[])
        wanted = 0.01 / 10 ** (epoch // 20)
        np.testing.assert_allclose([biases, weights], [2 * wanted, wanted])
