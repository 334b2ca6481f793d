"""What the ResNeXt paper says: Sections 3 and 4, Tables 1 to 4 and 7."""

import functools
import re

import keras
import numpy as np
import pytest

import reproductions
from common.data.transforms import (
    CentreCrop,
    FirstFittingAreaCrop,
    Lighting,
    PhotometricDistortions,
    RandomFlip,
    RandomShift,
    ResizeShorterSide,
    Standardize,
    ZeroBorder,
)
from common.models.layer_table import find_row, totals, without_weights
from common.papers.expected import read_expected
from common.training.optimizers import rates_at
from reproductions.resnext.forms import FORMS
from reproductions.resnext.model import block
from tests.reproductions.helpers import convolve, graph_of, rows_of, strided

build_model = functools.partial(reproductions.build_model, "resnext")
RECIPES = reproductions.load("resnext").RECIPES

EXPECTED = read_expected(reproductions.folder("resnext"))
EPSILON = 1e-5
DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 29: (3, 3, 3)}


def template(variant):
    """(layers, C, d) that a name says."""
    family, written = variant.rsplit("_", 1)
    cardinality, width = written.removesuffix("d").split("x")
    depth = family.removeprefix("cifar_").removeprefix("resnext")
    return int(depth.removeprefix("resnet")), int(cardinality), int(width)


def counts(depth, cardinality, width):
    """(parameters, multiply-accumulates) from Table 1, by arithmetic."""
    small = depth == 29
    side, maps, classes = (32, 64, 10) if small else (56, 64, 1000)
    # (weights of the kernel, maps out, side of the output)
    convs = [(27 * 64, 64, 32) if small else (147 * 64, 64, 112)]
    for stage, blocks in enumerate(DEPTHS[depth]):
        d, out, after = width * 2**stage, 256 * 2**stage, side // 2**stage
        for number in range(blocks):
            before = 2 * after if stage and number == 0 else after
            inner = cardinality * d
            convs += [
                (maps * inner, inner, before),
                (cardinality * 9 * d * d, inner, after),
                (inner * out, out, after),
            ]
            if maps != out:
                convs.append((maps * out, out, after))
            maps = out
    params = sum(kernel + 2 * out for kernel, out, _ in convs)
    macs = sum(kernel * size**2 for kernel, _, size in convs)
    return params + (maps + 1) * classes, macs + maps * classes


@pytest.mark.parametrize("variant", FORMS)
def test_counts_follow_from_the_template(variant):
    wanted = counts(*template(variant))
    assert (EXPECTED.parameters[variant], EXPECTED.macs[variant]) == wanted


@pytest.mark.parametrize(
    "variant", ["resnext50_32x4d", "resnext101_64x4d", "cifar_resnext29_16x64d"]
)
def test_names_say_how_many_layers_there_are(variant):
    assert totals(rows_of("resnext", variant)).depth == template(variant)[0]


def test_stages_have_the_sizes_of_table_1():
    sides = {row.name: row.output for row in rows_of("resnext", "resnext50_32x4d")}
    assert sides["conv1"] == (112, 112, 64)
    assert sides["pool1"] == (56, 56, 64)
    assert sides["conv2_3_relu"] == (56, 56, 256)
    assert sides["conv3_4_relu"] == (28, 28, 512)
    assert sides["conv4_6_relu"] == (14, 14, 1024)
    assert sides["conv5_3_relu"] == (7, 7, 2048)
    assert sides["pool5"] == (2048,)
    sides = {row.name: row.output for row in rows_of("resnext", "cifar_resnext29_8x64d")}
    assert sides["conv1"] == (32, 32, 64)
    assert sides["conv2_3_relu"] == (32, 32, 256)
    assert sides["conv3_3_relu"] == (16, 16, 512)
    assert sides["conv4_3_relu"] == (8, 8, 1024)
    assert sides["pool5"] == (1024,)


@pytest.mark.parametrize("variant", FORMS)
def test_groups_keep_their_number_and_double_their_width(variant):
    _, cardinality, width = template(variant)
    with without_weights():
        model = build_model(variant)
        for stage in range(len(FORMS[variant].blocks)):
            for number in (1, 2):
                layer = model.get_layer(f"conv{stage + 2}_{number}_b")
                d = width * 2**stage
                assert layer.groups == cardinality
                assert layer.kernel.shape == (3, 3, d, cardinality * d)


@pytest.mark.parametrize(
    "variant,weights",  # Table 2
    [
        ("resnet50_1x64d", 69_632),
        ("resnext50_2x40d", 69_760),
        ("resnext50_4x24d", 69_888),
        ("resnext50_8x14d", 71_456),
        ("resnext50_32x4d", 70_144),
    ],
)
def test_a_template_costs_what_equation_4_says(variant, weights):
    _, c, d = template(variant)
    assert c * (256 * d + 9 * d * d + d * 256) == weights
    row = find_row(rows_of("resnext", variant), "conv2_2")
    assert row.weights == weights
    assert row.macs == weights * 56**2


def small(variant, size=32):
    keras.utils.set_random_seed(0)
    return build_model(variant, image_size=size, num_classes=10)


def test_the_stride_is_in_the_3x3():  # Sec. 4
    for variant, stages in (("resnext50_32x4d", (3, 4, 5)), ("cifar_resnext29_8x64d", (3, 4))):
        found = set(strided(graph_of("resnext", variant)))
        assert found - {"conv1"} == {
            f"conv{s}_1_{part}" for s in stages for part in ("b", "shortcut")
        }
        assert ("conv1" in found) == (variant == "resnext50_32x4d")


def test_projections_stand_where_the_number_of_maps_changes():
    for variant, stages in (
        ("resnext101_32x4d", (2, 3, 4, 5)),
        ("cifar_resnext29_16x64d", (2, 3, 4)),
    ):
        model = graph_of("resnext", variant)
        names = [layer.name for layer in model.layers if layer.name.endswith("shortcut")]
        assert names == [f"conv{stage}_1_shortcut" for stage in stages]


# The three forms of Fig. 3, in NumPy; x is (H, W, maps).


def normalized(x, norm, part=slice(None)):
    gamma, beta, mean, variance = (v[part] for v in norm)
    return (x - mean) / np.sqrt(variance + EPSILON) * gamma + beta


def relu(x):
    return np.maximum(x, 0)


def paths(x, weights, cardinality, strides):
    """Each path up to its 3x3: the split and the transform of Fig. 3(a)."""
    kernels, norms = weights
    d = kernels["b"].shape[2]
    for index in range(cardinality):
        part = slice(index * d, (index + 1) * d)
        y = relu(normalized(convolve(x, kernels["a"][..., part]), norms["a"], part))
        y = convolve(y, kernels["b"][..., part], strides)
        yield part, relu(normalized(y, norms["b"], part))


def summed_paths(x, weights, cardinality, strides):
    """Fig. 3(a): every path has its own last 1x1; their sum is normalised."""
    kernels, norms = weights
    last = kernels["c"]
    outputs = [convolve(y, last[:, :, part]) for part, y in paths(x, weights, cardinality, strides)]
    return normalized(sum(outputs), norms["c"])


def concatenated_paths(x, weights, cardinality, strides):
    """Fig. 3(b): one last 1x1 after all the paths."""
    kernels, norms = weights
    outputs = [y for _, y in paths(x, weights, cardinality, strides)]
    joined = np.concatenate(outputs, axis=-1)
    return normalized(convolve(joined, kernels["c"]), norms["c"])


def toy_block(maps, filters, strides):
    """Keras's block of 4x3, with random weights and statistics."""
    image = keras.Input((6, 6, maps))
    model = keras.Model(
        image, block(image, cardinality=4, width=3, filters=filters, strides=strides, name="toy")
    )
    rng = np.random.default_rng(0)
    for v in model.weights:
        positive = v.name in ("gamma", "moving_variance")
        drawn = rng.uniform(0.5, 1.5, v.shape)
        v.assign(drawn if positive else rng.normal(0, 0.5, v.shape))
    parts = ("a", "b", "c", "shortcut")
    names = {layer.name for layer in model.layers}
    parts = [part for part in parts if f"toy_{part}" in names]
    kernels = {p: model.get_layer(f"toy_{p}").kernel.numpy() for p in parts}
    norms = {}
    for p in parts:
        norm = model.get_layer(f"toy_{p}_bn")
        variables = (norm.gamma, norm.beta, norm.moving_mean)
        variables += (norm.moving_variance,)
        norms[p] = [v.numpy().astype("float64") for v in variables]
    return model, (kernels, norms)


@pytest.mark.parametrize("form", [summed_paths, concatenated_paths])
@pytest.mark.parametrize("filters,strides", [(8, 1), (16, 2)])
def test_a_block_is_split_transform_merge(form, filters, strides):
    model, weights = toy_block(8, filters, strides)
    kernels, norms = weights
    x = np.random.default_rng(1).normal(size=(6, 6, 8))
    short = x
    if "shortcut" in kernels:
        short = convolve(x, kernels["shortcut"], strides)
        short = normalized(short, norms["shortcut"])
    wanted = relu(short + form(x, weights, 4, strides))
    found = model(x[None].astype("float32")).numpy()[0]
    assert found.shape == wanted.shape == (6 // strides, 6 // strides, filters)
    assert abs(found - wanted).max() < 1e-5 * abs(wanted).max()
    # And the groups matter: a path that sees its neighbour's maps is another.
    kernels["b"] = np.roll(kernels["b"], 3, axis=-1)
    assert abs(form(x, weights, 4, strides) + short - wanted).max() > 0.1


def test_paths_of_two_layers_are_one_wide_block():  # Fig. 4
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 5, 6))
    first = rng.normal(size=(4, 3, 3, 6, 2))
    second = rng.normal(size=(4, 3, 3, 2, 6))
    summed = sum(
        convolve(relu(convolve(x, one)), two) for one, two in zip(first, second, strict=True)
    )
    wide = convolve(
        relu(convolve(x, np.concatenate(first, axis=-1))), np.concatenate(second, axis=2)
    )
    np.testing.assert_allclose(summed, wide)


def test_batch_norm_follows_every_convolution_and_relu_all_but_two():
    model = graph_of("resnext", "resnext50_32x4d")
    names = [layer.name for layer in model.layers]
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            assert layer.bias is None and not layer.use_bias
            follows = [n.operation for n in layer._outbound_nodes]
            assert [f.name for f in follows] == [f"{layer.name}_bn"]
            inner = not layer.name.endswith(("_c", "_shortcut"))
            assert (f"{layer.name}_relu" in names) == inner
    after = model.get_layer("conv3_1_add")._outbound_nodes
    assert [n.operation.name for n in after] == ["conv3_1_relu"]


def test_initial_weights():  # the release
    model = small("resnext50_32x4d")
    for name in ("conv1", "conv2_2_a", "conv4_2_b", "conv5_1_shortcut"):
        kernel = model.get_layer(name).kernel.numpy()
        std = np.sqrt(2 / (kernel.shape[0] ** 2 * kernel.shape[3]))
        np.testing.assert_allclose(kernel.std(), std, rtol=0.03)
        assert abs(kernel).max() > 2.3 * std  # not truncated at 2
    norm = model.get_layer("conv3_1_b_bn")
    assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
    fc = model.get_layer("fc").kernel.numpy()
    limit = 1 / np.sqrt(2048)
    assert 0.95 * limit < abs(fc).max() <= limit
    np.testing.assert_allclose(fc.std(), limit / np.sqrt(3), rtol=0.03)


@pytest.mark.parametrize("variant", ["resnext50_32x4d", "resnet50_1x64d"])
@pytest.mark.parametrize("size", [1, 33])
def test_every_image_size_works(variant, size):
    with without_weights():
        model = build_model(variant, image_size=size, num_classes=3)
    assert model.output.shape == (None, 3)


def rates(variant, epochs):
    return [
        rates_at(RECIPES[variant], epoch=epoch, step=10 * epoch, steps_per_epoch=10, history=[])[0]
        for epoch in epochs
    ]


def test_the_rate_is_divided_after_30_60_and_90_epochs_of_100():
    found = rates("resnext101_64x4d", (0, 29, 30, 59, 60, 89, 90, 99))
    wanted = [0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4]
    np.testing.assert_allclose(found, wanted)
    assert RECIPES["resnext101_64x4d"].epochs == 100


def test_on_cifar_it_is_divided_after_150_and_225_epochs_of_300():
    found = rates("cifar_resnext29_8x64d", (0, 149, 150, 224, 225, 299))
    np.testing.assert_allclose(found, [0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3])
    assert RECIPES["cifar_resnext29_8x64d"].epochs == 300


def test_recipes_of_the_paper():  # Sec. 4, App. A; the release
    for variant, batch, decay in (
        ("resnext50_32x4d", 256, 1e-4),
        ("cifar_resnext29_8x64d", 128, 5e-4),
    ):
        recipe = RECIPES[variant]
        assert recipe.global_batch_size == batch
        assert recipe.optimizer.momentum == 0.9
        assert recipe.optimizer.nesterov
        assert recipe.weight_decay.rate == decay
        assert recipe.weight_decay.variables == "."
        assert not recipe.synchronized_batch_norm


def test_images_are_made_as_in_the_release():  # datasets/*.lua
    recipe = RECIPES["resnext50_32x4d"]
    assert recipe.train_transforms == (
        FirstFittingAreaCrop(224, (0.08, 1), (3 / 4, 4 / 3), 10, ("bicubic",)),
        RandomFlip(),
        PhotometricDistortions(low=0.6, high=1.4),
        Lighting(std=0.1),
    )
    assert recipe.normalize == Standardize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    assert recipe.train_noise == ()
    assert recipe.test_transforms == (ResizeShorterSide(256), CentreCrop(256))
    assert (recipe.views, recipe.image_size) == (("centre_crop",), 224)
    recipe = RECIPES["cifar_resnext29_8x64d"]
    frame = (ResizeShorterSide(32), CentreCrop(32))
    assert recipe.train_transforms == (*frame, RandomShift(4), RandomFlip())
    assert recipe.normalize == Standardize(
        mean=(125.3 / 255, 123 / 255, 113.9 / 255), std=(63 / 255, 62.1 / 255, 66.7 / 255)
    )
    assert recipe.train_noise == (ZeroBorder(),)
    assert recipe.test_transforms == frame
    assert (recipe.views, recipe.image_size) == (("single",), 32)


@pytest.mark.parametrize("variant", ["resnext50_32x4d", "cifar_resnext29_8x64d"])
def test_every_variable_decays(variant):  # the release
    model = graph_of("resnext", variant)
    decay = RECIPES[variant].weight_decay
    paths = [v.path for v in model.trainable_variables]
    assert {path.rsplit("/", 1)[1] for path in paths} == {*("kernel", "gamma", "beta", "bias")}
    assert all(re.search(decay.variables, path) for path in paths)


def test_networks_of_one_data_set_are_trained_alike():
    for variant, recipe in RECIPES.items():
        cifar = variant.startswith("cifar")
        same = "cifar_resnext29_8x64d" if cifar else "resnext50_32x4d"
        assert recipe == RECIPES[same]
