"""What the networks of the ResNet paper compute: Sections 3.2 to 4.1."""

import functools
import math

import keras
import numpy as np
import pytest

import reproductions
from common.models.state_dicts import of_keras_model
from common.papers.expected import read_expected
from reproductions.resnet.weights import (
    KERAS_APPLICATIONS,
    from_caffe,
    from_keras,
    from_torchvision,
)
from tests import golden
from tests.reproductions.helpers import (
    difference,
    keras_application,
    residual_counts,
    torch_entries,
)

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


def noise(size, batch=2):
    draws = np.random.default_rng(0).standard_normal((batch, size, size, 3))
    return draws.astype("float32")


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


def test_a_training_batch_is_guessed_at_with_even_odds():
    """A new network's loss is ln(classes), its statistics the batch's own."""
    for variant in ("plain34", "resnet34_a"):
        model = small(variant)
        logits = model(60 * noise(32, 16), training=True).numpy()
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        loss = -logs[np.arange(16), np.arange(16) % 10].mean()
        assert 0.8 < loss / math.log(10) < 1.3, variant


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


# The same weights give the logits of independent implementations.


@pytest.fixture(scope="module")
def v1_5():
    model = build_model("resnet50_v1_5")
    from_torchvision(golden.state("torchvision_resnet50"), model)
    return model


@pytest.fixture(scope="module")
def caffe():
    model = build_model("resnet50_caffe")
    from_caffe(golden.state("caffe_resnet50"), model)
    return model


def test_logits_are_torchvisions(v1_5):
    logits = v1_5(golden.image("torchvision_resnet50")).numpy()
    # Measured 1.7e-5.
    assert golden.difference(logits, "torchvision_resnet50") < 5e-5


def test_logits_are_those_of_the_released_caffe_network(caffe):
    logits = caffe(golden.image("caffe_resnet50")).numpy()
    # Measured 1.8e-5.
    assert golden.difference(logits, "caffe_resnet50") < 5e-5


def test_the_other_stride_or_pooling_would_show(v1_5, caffe):
    image = golden.image("caffe_resnet50")
    paper = build_model("resnet50")
    for model, oracle in ((v1_5, "torchvision_resnet50"), (caffe, "caffe_resnet50")):
        paper.set_weights(model.get_weights())  # all shapes agree
        assert golden.difference(paper(image).numpy(), oracle) > 0.05


def test_the_bias_of_the_released_conv1_is_normalised_away(caffe):
    state = golden.state("caffe_resnet50")
    bias = np.random.default_rng(0).normal(size=64).astype("float32")
    state["conv1.bias"] = bias  # conv1 + bias, normalised by mean + bias
    state["bn1.running_mean"] = state["bn1.running_mean"] + bias
    model = build_model("resnet50_caffe")
    from_caffe(state, model)
    logits = model(golden.image("caffe_resnet50")).numpy()
    assert golden.difference(logits, "caffe_resnet50") < 5e-5


def test_torch_entries_are_torchvisions():
    wanted = golden.state("torchvision_resnet50")
    found = torch_entries((3, 4, 6, 3))
    assert {e: v.shape for e, v in wanted.items()} == {
        e: v for e, v in found.items() if "num_batches" not in e
    }


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet34", "resnet101", pytest.param("resnet152", marks=pytest.mark.full)]
)
def test_torchvisions_entries_fit_at_every_depth(name):
    bottleneck = name in KERAS_APPLICATIONS
    variant = f"{name}_v1_5" if bottleneck else name
    state = {
        entry: np.full(shape, number, "float32")
        for number, (entry, shape) in enumerate(
            torch_entries(BLOCKS[int(name[6:])], bottleneck=bottleneck).items()
        )
    }
    model = build_model(variant, image_size=32)
    from_torchvision(state, model)
    stage, blocks = 4, BLOCKS[int(name[6:])][2]
    theirs = f"layer{stage - 1}.{blocks - 1}"
    last = model.get_layer(f"conv{stage}_{blocks}_b")
    assert last.kernel.numpy().max() == state[f"{theirs}.conv2.weight"].max()
    norm = model.get_layer(f"conv{stage}_{blocks}_b_bn")
    variance = norm.moving_variance.numpy()
    assert variance.max() == state[f"{theirs}.bn2.running_var"].max()
    down = model.get_layer("conv5_1_shortcut").kernel.numpy()
    assert down.max() == state["layer4.0.downsample.0.weight"].max()
    if bottleneck:  # and into the release's, with its own name of fc
        caffe = build_model(f"{name}_caffe", image_size=32)
        for part in ("weight", "bias"):
            state[f"last_linear.{part}"] = state.pop(f"fc.{part}")
        from_caffe(state, caffe)
        for ours, same in zip(model.weights, caffe.weights, strict=True):
            np.testing.assert_array_equal(ours, same)


@pytest.mark.parametrize("variant", KERAS_APPLICATIONS)
def test_logits_are_those_of_keras_applications(variant):
    application = keras_application(KERAS_APPLICATIONS[variant], 64, 10)
    model = build_model(variant, image_size=64, num_classes=10)
    from_keras(of_keras_model(application), model)
    # Measured 1.1e-6, 7e-7 and 9e-7.
    assert difference(application, model, 64, scale=50) < 1e-5


def test_the_epsilon_of_keras_applications_is_made_up_for():
    """In a layer whose variances are of the size of epsilon."""
    rng = np.random.default_rng(0)
    shape = {
        v.path: tuple(v.shape)
        for v in keras.applications.ResNet50(
            weights=None, input_shape=(32, 32, 3), classes=2
        ).variables
    }
    state = {e: rng.normal(0, 0.1, s).astype("f4") for e, s in shape.items()}
    state["conv1_bn/moving_variance"] = np.full(64, 1e-6, "float32")
    ours = build_model("resnet50", image_size=32, num_classes=2)
    from_keras(state, ours)
    norm = ours.get_layer("conv1_bn")
    np.testing.assert_allclose(norm.moving_variance + norm.epsilon, 1e-6 + 1.001e-5, rtol=1e-6)
    np.testing.assert_allclose(
        norm.moving_mean, state["conv1_bn/moving_mean"] - state["conv1_conv/bias"]
    )


# The numbers of the ResNet paper: Table 1, Figure 3, Section 3.3.


FOLDER = reproductions.folder("resnet")
EXPECTED = read_expected(FOLDER)


def counts(depth, option, **form):
    """(parameters, multiply-accumulates) from Table 1; projections by the option."""
    bottleneck = depth >= 50
    project = {"A": lambda *_: False, "B": lambda maps, out: maps != out, "C": lambda *_: True}
    return residual_counts(
        BLOCKS[depth],
        64,
        256 if bottleneck else 64,
        bottleneck=bottleneck,
        project=project[option],
        **form,
    )


@pytest.mark.parametrize(
    "variant,depth,option",
    [
        ("plain18", 18, "A"),
        ("plain34", 34, "A"),
        ("resnet18", 18, "B"),
        ("resnet34", 34, "B"),
        ("resnet18_a", 18, "A"),
        ("resnet34_a", 34, "A"),
        ("resnet34_c", 34, "C"),
        *(
            (f"resnet{depth}{form}", depth, "B")
            for depth in (50, 101, 152)
            for form in ("", "_caffe", "_v1_5")
        ),
    ],
)
def test_counts_follow_from_table_1(variant, depth, option):
    wanted = counts(depth, option, stride_on_3x3=variant.endswith("_v1_5"))
    assert (EXPECTED.parameters[variant], EXPECTED.macs[variant]) == wanted


def test_plain_networks_and_option_a_cost_the_same():  # Sec. 3.3
    for depth in (18, 34):
        for numbers in (EXPECTED.parameters, EXPECTED.macs):
            assert numbers[f"plain{depth}"] == numbers[f"resnet{depth}_a"]


def test_a_projection_doubles_a_bottleneck_but_not_the_network():  # Sec. 4.1
    block = [(1, 256, 64), (3, 64, 64), (1, 64, 256)]
    weights = sum(k * k * i * o for k, i, o in block)
    assert (weights + 256 * 256) / weights == pytest.approx(1.94, abs=0.005)
    with_b, with_c = counts(50, "B"), counts(50, "C")
    assert with_c[0] == 40_128_552
    ratios = [c / b for b, c in zip(with_b, with_c, strict=True)]
    assert ratios == pytest.approx([1.57, 1.64], abs=0.005)


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
