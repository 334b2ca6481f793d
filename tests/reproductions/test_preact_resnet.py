"""The units of "Identity Mappings in Deep Residual Networks", and Eqs. 4 to 8.

What holds for units of every kind is shown on networks of two units a stage.
"""

import dataclasses
import functools
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.models.layer_table import totals
from common.models.layers import ParameterFreeShortcut
from reproductions.preact_resnet.forms import FORMS
from tests.reproductions.graphs import draws, part, randomize, rows_of

build_model = functools.partial(reproductions.build_model, "preact_resnet")
ORDERS = {  # Fig. 4: ahead of a unit, behind its last convolution, at the end
    "cifar_resnet110_original": ("", "bn", "relu"),
    "cifar_resnet110_bn_after_addition": ("", "", "bn relu"),
    "cifar_resnet110_relu_before_addition": ("", "bn relu", ""),
    "cifar_resnet110_relu_only_preactivation": ("relu", "bn", ""),
    "cifar_preact_resnet110": ("bn relu", "", ""),
}
IDENTITY = [name for name, order in ORDERS.items() if not order[2]]
KINDS = {"BatchNormalization": "bn", "ReLU": "relu", "Conv2D": "conv", "Add": "add"}
TABLE_1 = [name for name in FORMS if FORMS[name].shortcut]


@functools.cache
def toy(variant, units=2):
    """The variant with few units; its statistics and scales are random."""
    keras.utils.set_random_seed(0)
    stages = len(FORMS[variant].units)
    form = dataclasses.replace(FORMS[variant], units=(units,) * stages)
    return randomize(build_model(variant, image_size=8, network=form))


def forward(model, *names):
    outputs = part(model, "image", *names)(draws(2, 8, 8, 3))
    return [output.numpy() for output in outputs]


def before(layer):
    return layer.input._keras_history.operation


def sequence(model, start, stop):
    """The kinds of layers from the one behind `start` to `stop`, backwards."""
    found, layer = [], model.get_layer(stop)
    while layer.name != start:
        kind = KINDS.get(type(layer).__name__)
        found += [kind] if kind else []
        layer = before(layer)
    return " ".join(reversed(found))


@pytest.mark.full
def test_1001_layers_are_built_within_a_minute():
    limit, began = sys.getrecursionlimit(), time.monotonic()
    rows = rows_of("preact_resnet", "cifar_preact_resnet1001")
    assert time.monotonic() - began < 60  # 6 s alone on two cores
    assert sys.getrecursionlimit() == limit
    total, norms = totals(rows), [r.params for r in rows if r.kind == "BatchNormalization"]
    assert (total.params, sum(norms)) == (10_327_706, 149_216)
    assert sum(row.kind == "Add" for row in rows) == 333
    assert total.weights == 10_178_480  # the 10.2M of Table 4
    assert (total.macs, total.depth) == (1_487_849_984, 1001)


@pytest.mark.parametrize("variant", ORDERS)
def test_bn_and_relu_stand_where_figure_4_has_them(variant):
    model = toy(variant)
    ahead, end, after = ORDERS[variant]
    start = end_of("stage1_1", variant)
    stop = before_add(model, "stage1_2")
    found = sequence(model, start, stop)
    assert found == " ".join(f"{ahead} conv bn relu conv {end}".split())
    # Behind the addition, up to the next unit or, at the end, the pooling.
    last = before(model.get_layer("pool"))
    found = sequence(model, "stage3_2_add", last.name)
    assert found == " ".join(f"{after} {ahead}".split())


def before_add(model, unit):
    """The last layer of F."""
    _, branch = model.get_layer(f"{unit}_add").input
    return branch._keras_history.operation.name


@pytest.mark.parametrize("variant", ORDERS)
def test_the_first_activation_stands_before_the_split(variant):
    model = toy(variant)
    assert sequence(model, "image", "conv1_relu") == "conv bn relu"
    short, _ = model.get_layer("stage1_1_add").input
    assert short._keras_history.operation.name == "conv1_relu"
    assert before(model.get_layer("stage1_1_conv1")).name == "conv1_relu"


def test_empty_residuals_leave_the_stems_features_at_every_stage():
    model = toy.__wrapped__("cifar_preact_resnet110")
    for layer in model.layers:
        if layer.name.endswith("_conv2"):
            layer.kernel.assign(keras.ops.zeros_like(layer.kernel))
    names = ("conv1_relu", "stage1_2_add", "stage2_2_add", "stage3_2_add")
    stem, one, two, three = forward(model, *names)
    assert stem.any()
    np.testing.assert_array_equal(one, stem)
    np.testing.assert_array_equal(two[..., :16], stem[:, ::2, ::2])
    np.testing.assert_array_equal(three[..., :16], stem[:, ::4, ::4])
    assert not two[..., 16:].any() and not three[..., 16:].any()


def end_of(unit, variant):
    """The last layer of a unit."""
    after = ORDERS[variant][2]
    return f"{unit}_add_{after.split()[-1]}" if after else f"{unit}_add"


@pytest.mark.parametrize("variant", ORDERS)
def test_a_units_input_is_an_earlier_one_plus_residuals(variant):  # Eq. 4
    model = toy(variant, units=4)
    names = [end_of(f"stage1_{index}", variant) for index in (1, 4)]
    names += [before_add(model, f"stage1_{index}") for index in (2, 3, 4)]
    start, end, *branches = forward(model, *names)
    error = abs(end - start - sum(branches)).max() / abs(end).max()
    if variant in IDENTITY:
        assert error < 1e-6
    else:  # ReLU, or BN and ReLU, on the path
        assert error > 1e-2


@pytest.mark.parametrize("variant", ORDERS)
def test_the_gradient_is_the_later_one_plus_that_of_the_residuals(variant):  # Eq. 5
    model = toy(variant, units=4)
    first, last = (end_of(f"stage1_{index}", variant) for index in (1, 4))
    branches = [before_add(model, f"stage1_{i}") for i in (2, 3, 4)]
    inner = part(model, first, last, *branches)
    head = part(model, last, "fc")
    x = tf.constant(draws(2, 8, 8, 16))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        end, *parts = inner(x)
        total = tf.add_n(parts)
        loss = tf.reduce_sum(head(end) * draws(2, 10))
    at_x, at_end = tape.gradient(loss, [x, end])
    formula = at_end + tape.gradient(total, x, output_gradients=at_end)
    error = abs(at_x - formula).numpy().max() / abs(at_x).numpy().max()
    assert (error < 1e-4) == (variant in IDENTITY), error


def test_halved_shortcuts_shrink_the_signal_with_every_unit():  # Eqs. 6 to 8
    model = toy.__wrapped__("cifar_resnet110_scaled_shortcut", units=4)
    for layer in model.layers:
        if layer.name.endswith("_conv2_bn"):
            layer.gamma.assign(keras.ops.zeros_like(layer.gamma))
            layer.beta.assign(keras.ops.zeros_like(layer.beta))
    stem, end = forward(model, "conv1_relu", "stage1_4_add_relu")
    np.testing.assert_array_equal(end, stem / 2**4)


@pytest.mark.parametrize("variant", TABLE_1)
@pytest.mark.parametrize("halves", [False, True])
def test_shortcuts_are_those_of_table_1(variant, halves):
    form, model = FORMS[variant], toy(variant)
    unit = "stage2_1" if halves else "stage2_2"
    inputs = "stage1_2_add_relu" if halves else "stage2_1_add_relu"
    x, f, found = forward(model, inputs, f"{unit}_conv2_bn", f"{unit}_add_relu")
    strided = x[:, ::2, ::2] if halves else x
    same = np.pad(strided, [(0, 0)] * 3 + [(0, 16 if halves else 0)])
    if form.shortcut == "scale":
        h, scale = 0.5 * same, 0.5 if form.branch else 1.0
    elif form.shortcut == "gate":
        layer = model.get_layer(f"{unit}_gate")
        kernel, bias = (w.numpy() for w in (layer.kernel, layer.bias))
        g = 1 / (1 + np.exp(-(strided @ kernel[0, 0] + bias)))
        h, scale = (1 - g) * same, g if form.branch else 1.0
    elif form.shortcut == "conv":
        layer = model.get_layer(f"{unit}_shortcut")
        norm = model.get_layer(f"{unit}_shortcut_bn")
        h = norm(strided @ layer.kernel.numpy()[0, 0]).numpy()
        scale = 1.0
    else:  # dropout, in testing
        h, scale = same, 1.0
    wanted = np.maximum(h + scale * f, 0)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_gate_may_be_of_the_branch_alone():  # --set branch=gate
    form = dataclasses.replace(FORMS[TABLE_1[0]], units=(2, 2, 2), shortcut="", branch="gate")
    model = randomize(build_model(TABLE_1[0], image_size=8, network=form))
    names = ("stage1_1_add_relu", "stage1_2_conv2_bn", "stage1_2_gate", "stage1_2_add_relu")
    x, f, g, found = forward(model, *names)
    np.testing.assert_allclose(found, np.maximum(x + g * f, 0), rtol=1e-4, atol=1e-5)


def test_fair_moves_the_stride_of_bottlenecks_alone():
    """fb.resnet.torch, preresnet.lua: a basic block has it in its first 3x3."""
    for layers, strides in ((2, [2, 1]), (3, [1, 2, 1])):
        form = dataclasses.replace(FORMS["preact_resnet18"], layers=layers, fair=True)
        model = build_model("preact_resnet18", image_size=64, network=form)
        convs = [model.get_layer(f"stage2_1_conv{i + 1}") for i in range(layers)]
        assert [conv.strides[0] for conv in convs] == strides


def test_dropout_zeroes_half_of_the_shortcut_in_training():
    model = toy("cifar_resnet110_dropout_shortcut")
    dropped = part(model, "image", "stage1_1_shortcut_dropout", "conv1_relu")
    out, same = dropped(draws(4, 8, 8, 3), training=True)
    out, same = (x.numpy()[same.numpy() != 0] for x in (out, same))
    assert (out != 0).mean() == pytest.approx(0.5, abs=0.06)
    np.testing.assert_array_equal(out[out != 0], 2 * same[out != 0])


def test_a_shortcut_of_a_two_layer_unit_is_not_activated():
    model = toy("cifar_preact_resnet110")
    for stage in (2, 3):
        shortcut = model.get_layer(f"stage{stage}_1_shortcut")
        assert isinstance(shortcut, ParameterFreeShortcut)
        assert before(shortcut).name == f"stage{stage - 1}_2_add"


def test_fairs_projections_are_of_the_units_own_input_with_bn():  # c530106: preresnet.lua
    model = toy("preact_resnet200_fair")
    assert sequence(model, "image", "stage1_1_pre_relu") == "conv bn relu bn relu"
    for stage, ahead in ((1, "pool1"), (2, "stage1_2_add"), (4, "stage3_2_add")):
        short, _ = model.get_layer(f"stage{stage}_1_add").input
        assert short._keras_history.operation.name == f"stage{stage}_1_shortcut_bn"
        assert before(model.get_layer(f"stage{stage}_1_shortcut")).name == ahead
    assert model.get_layer("stage2_1_conv2").strides == (2, 2)
    paper = toy("preact_resnet200")
    assert before(paper.get_layer("stage2_1_shortcut")).name == "stage2_1_pre_relu"


@pytest.mark.parametrize(
    ("variant", "fan", "maps"),
    [
        ("preact_resnet200_fair", 7 * 7 * 64, 2048),
        ("cifar_preact_resnet1001_released", 3 * 3 * 16, 256),
        ("cifar_preact_resnet1001", 3 * 3 * 3, None),  # fan-in, and N(0, 0.01)
    ],
)
def test_networks_of_the_releases_start_as_torch_does(variant, fan, maps):
    keras.utils.set_random_seed(0)
    form = dataclasses.replace(FORMS[variant], units=(1,) * len(FORMS[variant].units))
    model = build_model(variant, image_size=8, network=form)
    first = model.get_layer("conv1").kernel.numpy()
    assert first.std() == pytest.approx((2 / fan) ** 0.5, rel=0.1)
    head = model.get_layer("fc").kernel.numpy()
    if maps:  # uniform
        assert 0.95 / maps**0.5 < abs(head).max() <= 1 / maps**0.5
    else:
        assert head.std() == pytest.approx(0.01, rel=0.1)
