"""Inception-v3's facts: Table 1, Sections 3 to 9, TensorFlow's release."""

import dataclasses
import functools
import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data.rng import ExampleRng
from common.data.transforms import (
    CentreCrop,
    Context,
    DistortedBoxCrop,
    RandomFlip,
    ResizeShorterSide,
    ScalePixels,
)
from common.distribution.batch_slice import batch_slice
from common.models.layer_table import find_row, layer_table, totals, without_weights
from common.models.layers import BatchNormalization, Dropout
from common.recipes.losses import SmoothedCrossEntropy, SoftmaxCrossEntropy
from common.recipes.recipe import RmsProp, Sgd, WeightDecay
from reproductions.inception_v3.distortions import ColourDistortions
from reproductions.inception_v3.modules import FORMS, convolutions
from tests.golden import ORACLES
from tests.reproductions.helpers import draws

build_model = functools.partial(reproductions.build_model, "inception_v3")
RECIPES = reproductions.load("inception_v3").RECIPES
BLOCKS = "5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split()


@pytest.fixture(scope="module")
def released():
    with without_weights():
        return build_model("inception_v3")


@pytest.fixture(scope="module")
def rows(released):
    return layer_table(released)


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return build_model("inception_v3", image_size=107, num_classes=10)


def test_parameters_and_operations_to_the_last_digit(released, rows):
    total = totals(rows)
    assert (total.params, total.weights) == (23_834_568, 23_799_136)
    assert total.macs == 5_713_216_096
    aux = find_row(rows, "aux")
    assert (aux.weights, aux.macs) == (3_323_904, 5_683_200)
    trainable = sum(np.prod(v.shape) for v in released.trainable_variables)
    assert trainable == 27_161_264  # torchvision's with its auxiliary head
    offsets = sum(r.params - r.weights for r in rows if r.main) - 1000
    assert total.params - offsets // 2 == 23_817_352  # as the release, no scale


def test_convolutions_and_depth(rows):
    main = [row for row in rows if row.main]
    assert sum(row.kind == "Conv2D" for row in main) == 94
    assert totals(rows).depth == 48


@pytest.mark.parametrize(
    "variant,sides",
    [
        ("inception_v3", (149, 147, 147, 73, 73, 71, 35)),
        ("inception_v3_torchvision", (149, 147, 147, 73, 73, 71, 35)),
        ("inception_v3_151", (149, 147, 147, 73, 73, 71, 35)),
        ("inception_v3_79", (77, 75, 75, 75, 73, 36)),
        ("inception_v2_table1", (149, 147, 147, 73, 71, 35, 35)),
        ("inception_v2", (147, 73, 73, 71, 35)),
    ],
)
def test_every_grid(variant, sides):
    with without_weights():
        model = build_model(variant)
    stem = [layer.name for layer in FORMS[variant].stem]
    found = tuple(model.get_layer(name).output.shape[1] for name in stem)
    assert found == sides
    for name in FORMS[variant].modules:
        side = {"5": sides[-1], "6": 17, "7": 8}[name[6]]
        output = model.get_layer(f"{name}_output").output
        assert output.shape[1:3] == (side, side), name
    assert model.get_layer("avg_pool").output.shape == (None, 1, 1, 2048)


def test_maps_of_the_modules(released):
    maps = [released.get_layer(f"mixed_{block}_output").output.shape[-1] for block in BLOCKS]
    assert maps == [256, 288, 288, *[768] * 5, 1280, 2048, 2048]


def test_table_1_has_3_5_and_2_modules_between_its_reductions():
    with without_weights():
        model = build_model("inception_v2_table1")
    maps = [
        model.get_layer(f"{name}_output").output.shape[-1]
        for name in FORMS["inception_v2_table1"].modules
    ]
    assert maps == [*[288] * 3, 768, *[768] * 5, 1280, 2048, 2048]
    rows = layer_table(model)
    stem = [row for row in rows if row.name.startswith("conv_")]
    assert sum(row.macs for row in stem) == 1_627_898_976
    assert totals(rows).depth == 54
    sides = {row.kernel[:2] for row in rows if row.name.startswith("mixed_5")}
    assert (5, 5) not in sides  # Figure 5


def test_7x7_is_1x7_and_7x1(rows):
    found = {
        row.name: row.kernel[:2]
        for row in rows
        if row.name.startswith("mixed_6c_branch7x7") and row.kernel
    }
    assert found == {
        "mixed_6c_branch7x7_1": (1, 1),
        "mixed_6c_branch7x7_2": (1, 7),
        "mixed_6c_branch7x7_3": (7, 1),
        "mixed_6c_branch7x7dbl_1": (1, 1),
        "mixed_6c_branch7x7dbl_2": (7, 1),
        "mixed_6c_branch7x7dbl_3": (1, 7),
        "mixed_6c_branch7x7dbl_4": (7, 1),
        "mixed_6c_branch7x7dbl_5": (1, 7),
    }


@pytest.mark.parametrize(
    "one,others,saved",
    [
        ((5, 5), [(3, 3), (3, 3)], 0.28),
        ((3, 3), [(3, 1), (1, 3)], 1 / 3),
        ((3, 3), [(2, 2), (2, 2)], 1 / 9),
    ],
)
def test_what_factorisation_saves(one, others, saved):
    def cost(kernels):
        x = image = keras.Input((17, 17, 24))
        for kernel in kernels:
            x = keras.layers.Conv2D(24, kernel, padding="same")(x)
        return totals(layer_table(keras.Model(image, x))).macs

    assert cost(others) / cost([one]) == pytest.approx(1 - saved)
    assert cost([(5, 5)]) / cost([(3, 3)]) == pytest.approx(2.78, abs=0.005)


def test_7b_joins_1x1_pair_pair_and_pooling_in_this_order(released):
    joined = released.get_layer("mixed_7b_output")
    names = [tensor._keras_history.operation.name for tensor in joined.input]
    assert names == [
        f"mixed_7b_branch{part}_relu"
        for part in "1x1 3x3_2a 3x3_2b 3x3dbl_3a 3x3dbl_3b _pool".split()
    ]


def test_average_pooling_leaves_out_the_zeros_but_in_torchvisions():
    ones = {}
    for variant in ("inception_v3", "inception_v3_torchvision"):
        with without_weights():
            model = build_model(variant, image_size=107)
        x = np.ones((1, 11, 11, 192), "float32")
        if variant == "inception_v3_torchvision":
            x = model.get_layer("mixed_5b_pool_pad")(x)
        pool = model.get_layer("mixed_5b_pool")
        assert isinstance(pool, keras.layers.AveragePooling2D)
        found = pool(x).numpy()
        assert found.shape == (1, 11, 11, 192)
        ones[variant] = found[0, :, :, 0]
    np.testing.assert_allclose(ones["inception_v3"], 1, rtol=1e-6)
    corner, edge, middle = ones["inception_v3_torchvision"][[0, 0, 1], [0, 1, 1]]
    np.testing.assert_allclose([corner, edge, middle], [4 / 9, 6 / 9, 1], rtol=1e-6)


def test_every_convolution_is_normalised_and_then_cut_off_at_0(released):
    for layer in released.layers:
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        assert not layer.use_bias
        norm = released.get_layer(f"{layer.name}_bn")
        assert norm.input is layer.output
        assert (norm.momentum, norm.epsilon) == (0.9997, 1e-3)
        assert released.get_layer(f"{layer.name}_relu").input is norm.output


@pytest.mark.parametrize("step", [0, 7, 40_000])
def test_moving_averages_keep_less_at_first(step):
    layer = BatchNormalization(momentum=0.9997, epsilon=1e-3)
    x = draws(64, 3, 3, 2, scale=3) + 5
    layer.build(x.shape)

    @tf.function
    def train(step):
        with batch_slice(seed=0, step=step, start=0, size=64):
            return layer(x, training=True)

    output = train(tf.constant(step, tf.int64)).numpy()
    kept = min(0.9997, (1 + step) / (10 + step))
    assert (kept == 0.9997) == (step == 40_000)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    np.testing.assert_allclose(layer.moving_mean, (1 - kept) * mean, rtol=1e-3)
    np.testing.assert_allclose(layer.moving_variance, kept + (1 - kept) * variance, rtol=1e-3)
    np.testing.assert_allclose(output, (x - mean) / np.sqrt(variance + 1e-3), atol=1e-4)
    assert layer.momentum == 0.9997  # what is saved
    layer(x, training=True)  # outside of a training step: Keras's own
    kept *= 0.9997
    np.testing.assert_allclose(layer.moving_variance, kept + (1 - kept) * variance, rtol=1e-3)


def test_the_auxiliary_head_stands_on_the_last_17x17_grid(released):
    def shape(name):
        return released.get_layer(name).output.shape[1:]

    trunk = released.get_layer("mixed_6e_output")
    pool = released.get_layer("aux_pool")
    assert pool.input is trunk.output
    assert (pool.pool_size, pool.strides) == ((5, 5), (3, 3))
    assert shape("aux_pool") == (5, 5, 768)
    assert shape("aux_conv0") == (5, 5, 128)
    assert shape("aux_conv1") == (1, 1, 768)
    assert shape("aux_logits") == (1000,)
    assert released.outputs[0] is released.get_layer("logits").output
    assert released.outputs[1] is released.get_layer("aux_logits").output


def test_the_auxiliary_heads_dense_layer_is_normalised_in_v3_only(released):
    assert released.get_layer("aux_conv1_bn").output.shape[-1] == 768
    with without_weights():
        earlier = build_model("inception_v2_table1")
    names = {layer.name for layer in earlier.layers}
    assert "aux_conv0_bn" in names
    assert "aux_conv1_bn" not in names
    assert earlier.get_layer("aux_conv1").use_bias
    assert earlier.get_layer("aux_pool").input is (earlier.get_layer("mixed_6f_output").output)


def test_the_auxiliary_loss_counts_four_tenths_and_is_smoothed_too(small):
    loss = RECIPES["inception_v3"].loss
    smoothed = SmoothedCrossEntropy(smoothing=0.1)
    labels = tf.constant([3, 7])
    with tf.GradientTape(persistent=True) as tape:
        outputs = small(draws(2, 107, 107, 3), training=True)
        main, aux = (smoothed(output, labels) for output in outputs)
        total = loss(outputs, labels)
    np.testing.assert_allclose(total, main + 0.4 * aux, rtol=1e-6)
    for name in ("aux_conv0", "aux_conv1", "aux_logits"):
        kernel = small.get_layer(name).kernel
        found, wanted = tape.gradient(total, kernel), tape.gradient(aux, kernel)
        assert tf.reduce_max(abs(found)) > 0
        np.testing.assert_allclose(found, 0.4 * wanted, rtol=1e-3, atol=1e-6)
    last = small.get_layer("mixed_7c_branch1x1").kernel
    assert tape.gradient(aux, last) is None
    assert loss.guessing(1000) == pytest.approx(1.4 * np.log(1000))


def test_a_fifth_of_the_last_maps_is_dropped(released):
    layer = released.get_layer("dropout")
    assert isinstance(layer, Dropout)
    assert layer.rate == 0.2
    assert layer.input.shape == (None, 2048)
    assert released.get_layer("logits").input is layer.output


def test_initial_weights_are_truncated_normal(small):
    stddevs = {
        "conv_1a_3x3": 0.1,
        "mixed_6b_branch7x7dbl_5": 0.1,
        "aux_conv0": 0.1,
        "aux_conv1": 0.01,
        "logits": 0.01,
        "aux_logits": 0.001,
    }
    for name, stddev in stddevs.items():
        kernel = small.get_layer(name).kernel.numpy()
        assert 1.9 * stddev < abs(kernel).max() <= 2 * stddev, name
        np.testing.assert_allclose(kernel.std(), 0.88 * stddev, rtol=0.06, err_msg=name)


def test_names_are_those_of_the_release():
    entries = json.loads((ORACLES / "torchvision_inception_v3.json").read_text())
    theirs = [e for e in entries if e.endswith("conv.weight")]
    theirs = [e.removesuffix(".conv.weight") for e in theirs]
    wanted = [
        name.lower().replace("conv2d", "conv").replace(".", "_")
        for name in theirs
        if not name.startswith("Aux")
    ]
    assert list(convolutions(FORMS["inception_v3"])) == wanted


def test_recipe_of_the_paper():
    recipe = RECIPES["inception_v3"]
    assert recipe.optimizer == RmsProp(learning_rate=0.045, decay=0.9, momentum=0.9, epsilon=1.0)
    assert recipe.weight_decay == WeightDecay(rate=4e-5, variables="kernel")
    assert recipe.loss.main == SmoothedCrossEntropy(smoothing=0.1)
    assert recipe.global_batch_size == 50 * 32
    assert recipe.epochs == 100
    assert recipe.clip_global_norm == 2.0
    assert recipe.average_decay == 0.9999
    for variant in ("inception_v3_torchvision", "inception_v2_table1"):
        other = RECIPES[variant]
        assert dataclasses.replace(other, deviations=recipe.deviations) == recipe


def differing(one, other):
    """The names of the fields in which two dataclasses differ."""
    names = [field.name for field in dataclasses.fields(one)]
    return {name for name in names if getattr(one, name) != getattr(other, name)}


def test_each_row_of_table_3_changes_one_thing():
    v2 = "inception_v2"
    rows = (v2, f"{v2}_rmsprop", f"{v2}_label_smoothing", f"{v2}_factorized_7x7", "inception_v3")
    changes = [
        differing(RECIPES[a], RECIPES[b]) - {"deviations"} | differing(FORMS[a], FORMS[b])
        for a, b in itertools.pairwise(rows)
    ]
    assert changes == [{"optimizer"}, {"loss"}, {"stem"}, {"aux_batch_norm"}]
    first = RECIPES["inception_v2"]
    assert first.optimizer == Sgd(learning_rate=0.045, momentum=0.9, nesterov=False)
    assert first.loss.main == SoftmaxCrossEntropy()


def test_the_7x7_of_table_3_ends_on_the_grid_of_the_three_3x3():
    with without_weights():
        model = build_model("inception_v2")
    conv, *_ = FORMS["inception_v2"].stem
    assert model.get_layer(conv.name).kernel.shape == (7, 7, 3, 64)
    assert model.get_layer(conv.name).output.shape == (None, 147, 147, 64)
    three = (3 * 32 * 149**2 + 32 * 32 * 147**2 + 32 * 64 * 147**2) * 3 * 3
    one = 3 * 64 * 147**2 * 7 * 7
    assert totals(layer_table(model)).macs == 5_713_216_096 - three + one


def test_images_are_prepared_as_the_release_does():
    recipe = RECIPES["inception_v3"]
    assert recipe.train_transforms == (
        DistortedBoxCrop(
            size=299,
            area=(0.05, 1.0),
            aspect=(0.75, 1.33),
            covered=0.1,
            attempts=100,
            resampling=("bilinear", "area", "nearest", "bicubic"),
        ),
        RandomFlip(),
        ColourDistortions(brightness=32 / 255, saturation=(0.5, 1.5), hue=0.2, contrast=(0.5, 1.5)),
    )
    assert recipe.normalize == ScalePixels(-1.0, 1.0)
    assert recipe.test_transforms == (ResizeShorterSide(342), CentreCrop(342))
    assert recipe.views == ("centre_crop",)


@pytest.mark.parametrize("size,frame", [(151, 173), (79, 90)])
def test_low_resolutions_see_the_same_part_of_the_image(size, frame):
    recipe = RECIPES[f"inception_v3_{size}"]
    assert recipe.image_size == recipe.train_transforms[0].size == size
    assert {t.size for t in recipe.test_transforms} == {frame}
    assert size / frame == pytest.approx(0.875, abs=0.003)


@pytest.mark.parametrize(
    "epoch,wanted",
    [
        (0, 0.045),
        (1, 0.045),
        (2, 0.045 * 0.94),
        (3, 0.045 * 0.94),
        (98, 0.045 * 0.94**49),
        (99, 0.00217),
    ],
)
def test_rate_falls_by_6_percent_every_2_epochs(epoch, wanted):
    recipe = RECIPES["inception_v3"]
    factor = recipe.schedule.factor(epoch=epoch, step=0, steps_per_epoch=800, history=[])
    found = recipe.optimizer.learning_rate * factor
    assert found == pytest.approx(wanted, rel=2e-3)


def distorted(image, position=0, **amounts):
    still = dict(brightness=0.0, saturation=(1.0, 1.0), hue=0.0, contrast=(1.0, 1.0))
    context = Context(top=0, left=0, mirrored=False, statistics=None, rng=ExampleRng(3, position))
    operation = ColourDistortions(**still | amounts)
    return operation(tf.constant(image), context).numpy()


def test_colour_distortions_change_what_they_say():
    image = np.random.default_rng(0).uniform(80, 170, (8, 9, 3)).astype("f4")
    np.testing.assert_allclose(distorted(image), image, atol=1e-3)
    lighter = distorted(image, brightness=32 / 255) - image
    assert np.ptp(lighter) < 1e-3
    assert 0.1 < abs(lighter).max() <= 32
    grey = distorted(image, saturation=(0.0, 0.0))
    assert np.ptp(grey, axis=-1).max() < 1e-3
    flat = distorted(image, contrast=(0.5, 0.5))
    np.testing.assert_allclose(flat, 0.5 * (image + image.mean((0, 1))), rtol=1e-4)
    turned = distorted(image, hue=0.2)
    np.testing.assert_allclose(turned.max(-1), image.max(-1), rtol=1e-4)
    assert abs(turned - image).max() > 1
    assert distorted(image, contrast=(9.0, 9.0)).max() == 255
    assert distorted(image, contrast=(9.0, 9.0)).min() == 0


def test_brightness_is_even_and_both_orders_occur():
    grey = np.full((2, 2, 3), 128.0, "float32")
    added = [distorted(grey, i, brightness=0.1)[0, 0, 0] - 128 for i in range(200)]
    assert abs(np.mean(added)) < 3
    assert -25.51 < min(added) < -24 < 24 < max(added) < 25.51
    image = np.random.default_rng(0).uniform(80, 170, (3, 3, 3)).astype("f4")
    amounts = dict(saturation=(1.5, 1.5), contrast=(0.5, 0.5))
    results = {distorted(image, i, **amounts).round(2).tobytes() for i in range(20)}
    assert len(results) == 2
