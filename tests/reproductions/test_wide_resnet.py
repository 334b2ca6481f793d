"""What the paper on wide residual networks says, and published weights."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data.rng import ExampleRng
from common.data.transforms import (
    FirstFittingAreaCrop,
    Lighting,
    PhotometricDistortions,
    RandomFlip,
)
from common.data.transforms.pixels import Context
from common.errors import RunError
from common.models.layer_table import layer_table, totals, without_weights
from common.models.layers import Dropout
from common.papers.expected import read_expected
from common.training.optimizers import rates_at
from reproductions.resnext import model as resnext
from reproductions.wide_resnet.augmentation import RandomReflectedShift
from reproductions.wide_resnet.forms import FORMS, CifarForm
from reproductions.wide_resnet.model import cifar_maps, imagenet_maps, wide_block
from reproductions.wide_resnet.weights import from_torchvision
from tests.reproductions.helpers import constant, convolve, strided, torch_entries

build_model = functools.partial(reproductions.build_model, "wide_resnet")
RECIPES = reproductions.load("wide_resnet").RECIPES

EXPECTED = read_expected(reproductions.folder("wide_resnet"))
EPSILON = 1e-5
LAYERS34 = (3, 4, 6, 3)


def counted(form):
    """The sums over a network of some form, at its paper's size."""
    cifar = isinstance(form, CifarForm)
    size, classes = (32, 10) if cifar else (224, 1000)
    with without_weights():
        image = keras.Input((size, size, 3))
        maps = (cifar_maps if cifar else imagenet_maps)(image, form)
        x = keras.layers.GlobalAveragePooling2D()(maps)
        model = keras.Model(image, keras.layers.Dense(classes)(x))
    return totals(layer_table(model))


def cifar_counts(depth, width):
    """(parameters, multiply-accumulates) from Table 1, by arithmetic."""
    kernels, norms, macs, maps = [27 * 16], [], 27 * 16 * 32**2, 16
    for group, filters in enumerate((16 * width, 32 * width, 64 * width)):
        side = 32 // 2**group
        for _ in range((depth - 4) // 6):
            new = [9 * maps * filters, 9 * filters * filters]
            if maps != filters:
                new.append(maps * filters)
            norms += [maps, filters]
            kernels += new
            macs += sum(new) * side**2
            maps = filters
    params = sum(kernels) + 2 * (sum(norms) + maps) + 10 * (maps + 1)
    return params, macs + 10 * maps, len(kernels)


def imagenet_counts(blocks, bottleneck, width=2):
    """By arithmetic."""
    kernels, outs, macs, maps = [147 * 64], [64], 147 * 64 * 112**2, 64
    for stage, number in enumerate(blocks):
        filters, after = 64 * 2**stage, 56 // 2**stage
        wide = int(width * filters)
        out = 4 * filters if bottleneck else wide
        for index in range(number):
            before = 2 * after if stage and not index else after
            new = (
                [(maps * wide, wide, before), (9 * wide * wide, wide, after)]
                + [(wide * out, out, after)]
                if bottleneck
                else [(9 * maps * wide, wide, after)] + [(9 * wide * wide, wide, after)]
            )
            if maps != out:
                new.append((maps * out, out, after))
            kernels += [k for k, _, _ in new]
            outs += [o for _, o, _ in new]
            macs += sum(k * side**2 for k, _, side in new)
            maps = out
    params = sum(kernels) + 2 * sum(outs) + 1000 * (maps + 1)
    return params, macs + 1000 * maps


def test_counts_follow_from_the_tables():
    def written(variant):
        return EXPECTED.parameters[variant], EXPECTED.macs[variant]

    for variant, form in FORMS.items():
        if isinstance(form, CifarForm):
            counts = cifar_counts(form.depth, form.width)
            assert written(variant) == counts[:2]
    assert written("wrn_50_2") == imagenet_counts(LAYERS34, True)
    assert written("wrn_68_2") == imagenet_counts((3, 4, 23, 3), False)
    assert written("wrn_68_3") == imagenet_counts((3, 4, 23, 3), False, 3)
    for width in (1, 1.5, 2, 3):
        name = f"wrn_18_{width}".replace(".", "_")
        assert written(name) == imagenet_counts((2, 2, 2, 2), False, width)
    for width in (1, 1.5, 2):
        name = f"wrn_34_{width}".replace(".", "_")
        assert written(name) == imagenet_counts(LAYERS34, False, width)
    assert imagenet_counts(LAYERS34, False) == (86_036_008, 14_094_458_880)


def test_a_cifar_variants_name_says_what_it_is():
    for variant, form in FORMS.items():
        if variant.startswith("cifar_wrn_"):
            depth, width, *more = variant.split("_")[2:]
            assert (int(depth), int(width)) == (form.depth, form.width)
            dropped = more == ["dropout"] or variant == "cifar_wrn_28_10"
            assert form.dropout == (0.3 if dropped else 0.0)
            assert RECIPES[variant] == RECIPES["cifar_wrn_28_10"]


def test_n_is_the_number_of_convolutions():
    for depth, width in ((28, 10), (16, 8), (40, 4)):
        assert cifar_counts(depth, width)[2] == depth
        with without_weights():
            image = keras.Input((32, 32, 3))
            form = CifarForm(depth=depth, width=width, dropout=0.0)
            model = keras.Model(image, cifar_maps(image, form))
        kinds = [isinstance(x, keras.layers.Conv2D) for x in model.layers]
        assert sum(kinds) == depth
    with pytest.raises(ValueError, match="6 N \\+ 4"):
        cifar_maps(image, CifarForm(depth=27, width=1, dropout=0.0))


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


@pytest.mark.parametrize("quantity", ["params", "macs"])
def test_counts_are_quadratic_in_the_width(quantity):  # Sec. 2.3
    def count(depth, width):
        form = CifarForm(depth=depth, width=width, dropout=0.0)
        return getattr(counted(form), quantity)

    assert count(16, 16) / count(16, 8) == pytest.approx(4, rel=0.01)
    steps = [count(depth, 4) for depth in (16, 22, 28)]
    assert steps[2] - steps[1] == steps[1] - steps[0]  # linear in the depth


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


def network(variant, size=32):
    with without_weights():
        return build_model(variant, image_size=size)


def test_cifar_blocks_are_pre_activated():
    model = network("cifar_wrn_28_10")
    branch, shortcut = "conv3_1_b", "conv3_1_shortcut"
    chain = before(model.get_layer(branch).output)
    assert chain[:8] == [
        "conv3_1_b",
        "conv3_1_dropout",
        "conv3_1_b_relu",
        "conv3_1_b_bn",
        "conv3_1_a",
        "conv3_1_a_pad",
        "conv3_1_a_relu",
        "conv3_1_a_bn",
    ]
    assert chain[8] == "conv2_4_add"
    # The projection shares the first BN and ReLU and has no BN of its own.
    assert before(model.get_layer(shortcut).output)[:4] == [
        "conv3_1_shortcut",
        "conv3_1_a_relu",
        "conv3_1_a_bn",
        "conv2_4_add",
    ]
    added = model.get_layer("conv3_1_add").input
    assert [before(t)[0] for t in added] == [shortcut, branch]
    # Later blocks add their own input, as it came.
    added = model.get_layer("conv3_2_add").input
    assert [before(t)[0] for t in added] == ["conv3_1_add", "conv3_2_b"]
    assert before(model.get_layer("fc").output)[:5] == [
        "fc",
        "pool",
        "last_relu",
        "last_bn",
        "conv4_4_add",
    ]
    assert before(model.get_layer("conv2_1_a").output)[1:4] == [
        "conv2_1_a_relu",
        "conv2_1_a_bn",
        "conv1",  # neither BN nor ReLU between
    ]


def test_dropout_is_in_every_block_or_in_none():
    def rates(variant):
        with without_weights():
            model = build_model(variant)
        return [x.rate for x in model.layers if dropout(x)]

    found = {variant: rates(variant) for variant in FORMS}
    assert found.pop("cifar_wrn_28_10") == [0.3] * 12
    assert found.pop("cifar_wrn_16_4_dropout") == [0.3] * 6
    assert found.pop("cifar_wrn_52_1_dropout") == [0.3] * 24
    assert found.pop("cifar_wrn_40_10_dropout") == [0.3] * 18
    assert not any(found.values())


def dropout(layer):
    return isinstance(layer, Dropout)


def test_dropout_works_in_training_only_and_leaves_the_shortcut():
    image = keras.Input((4, 4, 16))
    model = keras.Model(image, wide_block(image, 16, strides=1, dropout=0.999, name="b"))
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 16)).astype("float32")
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
    model = keras.Model(image, y)
    rng = np.random.default_rng(0)
    for v in model.weights:
        drawn = rng.normal(0, 0.5, v.shape)
        positive = v.name in ("gamma", "moving_variance")
        v.assign(abs(drawn) + 0.5 if positive else drawn)

    def act(x, name):
        gamma, beta, mean, variance = (v.numpy() for v in model.get_layer(f"{name}_bn").variables)
        scale = gamma / np.sqrt(variance + EPSILON)
        return np.maximum((x - mean) * scale + beta, 0)

    def kernel(name):
        return model.get_layer(name).kernel.numpy()

    x = rng.normal(size=(6, 6, 5))
    first = act(x, "b_a")
    short = convolve(first, kernel("b_shortcut"), strides) if filters != 5 else x
    second = act(convolve(first, kernel("b_a"), strides), "b_b")
    wanted = short + convolve(second, kernel("b_b"))
    found = model(x[None].astype("float32")).numpy()[0]
    np.testing.assert_allclose(found, wanted, atol=1e-5 * abs(wanted).max())


def test_strides_and_sizes():
    model = network("cifar_wrn_16_8")
    wanted = {f"conv{g}_1_{p}" for g in (3, 4) for p in ("a", "shortcut")}
    assert set(strided(model)) == wanted
    for name, shape in (
        ("conv1", (32, 32, 16)),
        ("conv2_2_add", (32, 32, 128)),
        ("conv3_2_add", (16, 16, 256)),
        ("conv4_2_add", (8, 8, 512)),
    ):
        assert model.get_layer(name).output.shape[1:] == shape
    model = network("wrn_50_2", 224)  # the stride in the 3x3
    wanted = {f"conv{s}_1_{p}" for s in (3, 4, 5) for p in ("b", "shortcut")}
    assert set(strided(model)) == wanted | {"conv1"}
    for stage in range(4):
        blocks, side = LAYERS34[stage], 56 // 2**stage
        last = model.get_layer(f"conv{stage + 2}_{blocks}_relu")
        assert last.output.shape[1:] == (side, side, 256 * 2**stage)
        inner = model.get_layer(f"conv{stage + 2}_1_b")
        assert inner.kernel.shape == (3, 3, *[128 * 2**stage] * 2)
    model = network("wrn_68_2")
    wanted = {f"conv{s}_1_{p}" for s in (3, 4, 5) for p in ("a", "shortcut")}
    assert set(strided(model)) == wanted | {"conv1"}
    assert model.get_layer("conv2_1_shortcut")  # 64 maps become 128


def test_projections_only_where_the_number_of_maps_changes():
    form = CifarForm(depth=16, width=1, dropout=0.0)
    with without_weights():
        image = keras.Input((32, 32, 3))
        model = keras.Model(image, cifar_maps(image, form))
    names = [x.name for x in model.layers if x.name.endswith("shortcut")]
    assert names == ["conv3_1_shortcut", "conv4_1_shortcut"]  # 16 stay 16


def test_wrn_50_2_is_the_1x128d_of_resnext():
    """Whose blocks give torchvision's logits (test_resnext_oracles.py)."""
    keras.utils.set_random_seed(0)
    ours = build_model("wrn_50_2", image_size=32, num_classes=10)
    image = keras.Input((32, 32, 3))
    x = resnext.convolution(image, 64, 7, strides=2, name="conv1")
    x = keras.layers.ZeroPadding2D(1)(x)
    x = keras.layers.MaxPooling2D(3, strides=2)(x)
    form = resnext.Form(blocks=LAYERS34, cardinality=1, width=128)
    x = keras.layers.GlobalAveragePooling2D()(resnext.stages(x, form))
    theirs = keras.Model(image, keras.layers.Dense(10, name="fc")(x))
    rng = np.random.default_rng(0)
    for layer in theirs.layers:
        for v, own in zip(
            layer.weights, ours.get_layer(layer.name).weights if layer.weights else [], strict=True
        ):
            if v.name != "kernel":
                own.assign(rng.uniform(0.5, 1.5, v.shape))
            v.assign(own)
    images = rng.normal(size=(2, 32, 32, 3)).astype("float32")
    wanted, found = theirs(images).numpy(), ours(images).numpy()
    assert abs(wanted - found).max() < 1e-5 * abs(wanted).max()


def test_initial_weights():  # the release
    model = build_model("wrn_50_2", image_size=32)
    for name in ("conv1", "conv2_2_a", "conv4_2_b", "conv5_1_shortcut"):
        kernel = model.get_layer(name).kernel.numpy()
        std = np.sqrt(2 / np.prod(kernel.shape[:3]))
        np.testing.assert_allclose(kernel.std(), std, rtol=0.03)
        assert abs(kernel).max() > 2.3 * std  # not truncated at 2
    norm = model.get_layer("conv3_1_b_bn")
    assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
    fc = model.get_layer("fc").kernel.numpy()
    limit = 1 / np.sqrt(2048)
    assert 0.95 * limit < abs(fc).max() <= limit


def rates(variant, epochs):
    return [
        rates_at(RECIPES[variant], epoch=epoch, step=390 * epoch, steps_per_epoch=390, history=[])[
            0
        ]
        for epoch in epochs
    ]


def test_schedules():
    found = rates("cifar_wrn_28_10", (0, 59, 60, 119, 120, 159, 160, 199))
    wanted = [0.1, 0.1, 0.02, 0.02, 0.004, 0.004, 8e-4, 8e-4]
    np.testing.assert_allclose(found, wanted)
    found = rates("wrn_50_2", (0, 29, 30, 59, 60, 89))
    np.testing.assert_allclose(found, [0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3])


def test_recipes_of_the_paper():  # Sec. 3
    for variant, epochs, batch, decay in (
        ("cifar_wrn_28_10", 200, 128, 5e-4),
        ("cifar_wrn_16_8", 200, 128, 5e-4),
        ("wrn_50_2", 90, 256, 1e-4),
        ("wrn_34_1_5", 90, 256, 1e-4),
        ("wrn_68_3", 90, 256, 1e-4),
    ):
        recipe = RECIPES[variant]
        assert (recipe.epochs, recipe.global_batch_size) == (epochs, batch)
        assert recipe.optimizer.momentum == 0.9
        assert recipe.optimizer.nesterov
        assert recipe.weight_decay.rate == decay
        assert recipe.weight_decay.variables == "."
    recipe = RECIPES["cifar_wrn_28_10"]
    assert recipe.train_transforms[-1] == RandomReflectedShift(4)
    for found, printed in (
        (recipe.normalize.mean, (125.3, 123.0, 113.9)),
        (recipe.normalize.std, (63.0, 62.1, 66.7)),
    ):
        np.testing.assert_allclose(np.multiply(found, 255), printed)
    assert RECIPES["wrn_50_2"].train_transforms == (  # fb
        FirstFittingAreaCrop(224, (0.08, 1), (3 / 4, 4 / 3), 10, ("bicubic",)),
        RandomFlip(),
        PhotometricDistortions(low=0.6, high=1.4),
        Lighting(std=0.1),
    )


def context(position):
    key = ExampleRng(1, tf.cast(position, tf.int64))
    return Context(0, 0, False, None, key)


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


def test_the_same_shift_comes_inside_a_data_set():
    image = np.random.default_rng(0).uniform(size=(32, 32, 3))
    image = image.astype("float32")
    shift = RandomReflectedShift(4)
    mapped = tf.data.Dataset.range(5).map(lambda p: shift(image, context(p)))
    for position, found in enumerate(mapped):
        np.testing.assert_array_equal(found, shift(image, context(position)))


def test_torchvisions_entries_fit():
    state = constant(torch_entries(LAYERS34, width=128))
    trained = [v for e, v in state.items() if "running" not in e]
    assert sum(v.size for v in trained if v.shape) == 68_883_240
    model = build_model("wrn_50_2", image_size=32)
    from_torchvision(state, model)
    for ours, theirs in (
        ("conv4_6_b", "layer3.5.conv2"),
        ("conv2_1_shortcut", "layer1.0.downsample.0"),
        ("conv5_3_c", "layer4.2.conv3"),
    ):
        kernel = model.get_layer(ours).kernel.numpy()
        assert (kernel == state[f"{theirs}.weight"].max()).all()
    norm = model.get_layer("conv3_4_a_bn")
    variance = norm.moving_variance.numpy()
    assert (variance == state["layer2.3.bn1.running_var"]).all()
    with pytest.raises(RunError, match="unknown: layer3.10.bn1.bias"):
        from_torchvision(constant(torch_entries((3, 4, 23, 3), width=128)), model)
    with pytest.raises(RunError, match="it belongs to another network"):
        from_torchvision(constant(torch_entries(LAYERS34)), model)


@pytest.mark.parametrize("variant", ["wrn_68_2", "cifar_wrn_28_10"])
def test_other_networks_refuse_torchvisions_weights(variant):
    model = keras.Model(*[keras.Input((1,))] * 2, name=variant)
    with pytest.raises(RunError, match="into wrn_50_2"):
        from_torchvision({}, model)
