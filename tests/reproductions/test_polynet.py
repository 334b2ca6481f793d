"""PolyNet's facts: counts, sizes, the release's factors, the recipe."""

import dataclasses
import json
import re

import keras
import numpy as np
import pytest

import reproductions
from common.models.layer_table import find_row
from common.papers.expected import read_expected
from reproductions.polynet.forms import FORMS, POLYNOMIALS, first_order, with_stage
from reproductions.polynet.model import network
from reproductions.polynet.weights import _torch_name
from tests import golden
from tests.reproductions.graphs import graph_of, rows_of

RECIPES = reproductions.load("polynet").RECIPES

EXPECTED = read_expected(reproductions.folder("polynet"))


@pytest.fixture(scope="module")
def polynet():
    """The network at 331 pixels, without weights, and its layers."""
    return graph_of("polynet", "polynet"), rows_of("polynet", "polynet")


def test_polynet_executes_537_convolutions(polynet):  # Fig. 1
    model, _ = polynet
    layers = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert sum(len(layer._inbound_nodes) for layer in layers) == 537
    assert len(layers) == 537 - 10 * 2 * 4 - 5 * 2 * 4  # 4 shared, 3 uses


def test_a_shared_convolution_costs_what_its_uses_do(polynet):
    _, rows = polynet
    shared = find_row(rows, "stage_b_1_f_path0_2")
    assert shared.weights == 7 * 128 * 160
    assert shared.macs == 3 * shared.weights * 19 * 19
    once = find_row(rows, "stage_b_2_f_path0_2")
    assert once.macs == shared.macs // 3


# Convolutions of F, their weights, and batch-normalised maps of its paths.
OF_F = {
    "a": (7, 136_704, 32 + 48 + 64 + 32 + 32 + 32),
    "b": (5, 1_169_408, 128 + 160 + 192 + 192),
    "c": (5, 2_004_992, 192 + 224 + 256 + 192),
}
LINEAR = {"a": 128 * 384, "b": 384 * 1152, "c": 448 * 2048}
MAPS = {"a": 384, "b": 1152, "c": 2048}
# (weights, maps, the grid of the output) outside of the stages; see `grids`.
OTHERS = [
    (864, 32, "conv1_1"),
    (9_216, 32, "conv1_2"),
    (18_432, 64, "conv1_2"),
    (55_296, 96, "pool1"),
    (10_240, 64, "pool1"),
    (55_296, 96, "conv2"),
    (10_240, 64, "pool1"),
    (28_672, 64, "pool1"),
    (28_672, 64, "pool1"),
    (55_296, 96, "conv2"),
    (331_776, 192, "a"),
    (384 * 256, 256, "a"),  # reduction A
    (9 * 256 * 256, 256, "a"),
    (9 * 256 * 384, 384, "b"),
    (9 * 384 * 384, 384, "b"),
    (1152 * 256, 256, "b"),  # reduction B
    (9 * 256 * 256, 256, "b"),
    (9 * 256 * 256, 256, "c"),
    (1152 * 256, 256, "b"),
    (9 * 256 * 256, 256, "c"),
    (1152 * 256, 256, "b"),
    (9 * 256 * 384, 384, "c"),
]


def grids(size):
    """The sides of the maps: nothing is padded where the grid changes."""
    sides = {"conv1_1": (size - 1) // 2}
    sides["conv1_2"] = sides["conv1_1"] - 2
    sides["pool1"] = (sides["conv1_2"] - 1) // 2
    sides["conv2"] = sides["pool1"] - 2
    for before, stage in (("conv2", "a"), ("a", "b"), ("b", "c")):
        sides[stage] = (sides[before] - 1) // 2
    return sides


def counts(form, size):
    """(parameters, multiply-accumulates) by arithmetic."""
    sides = grids(size)
    weights = sum(w for w, _, _ in OTHERS)
    maps = sum(m for _, m, _ in OTHERS)
    macs = sum(w * sides[grid] ** 2 for w, _, grid in OTHERS)
    for stage, kinds in form.stages.items():
        _, of_f, of_paths = OF_F[stage]
        for kind in kinds:
            uses = len(POLYNOMIALS[kind])
            own = len({term[0] for term in POLYNOMIALS[kind]})
            linear = 0 if form.shared_expansion else uses - own
            weights += own * of_f + linear * LINEAR[stage]
            maps += uses * (of_paths + MAPS[stage])
            macs += uses * of_f * sides[stage] ** 2
    return weights + 2 * maps + 2048 * 1000 + 1000, macs + 2048 * 1000


@pytest.mark.parametrize("variant", RECIPES)
def test_counts_follow_from_the_tables(variant):
    wanted = counts(FORMS[variant], RECIPES[variant].image_size)
    assert (EXPECTED.parameters[variant], EXPECTED.macs[variant]) == wanted


def test_the_control_costs_what_poly2_costs():
    """As many multiplications, first order only, so more parameters."""
    assert EXPECTED.macs["ir_3_12_3"] == EXPECTED.macs["ir_3_6_3_poly2_b"]
    kinds = {k for ks in FORMS["ir_3_12_3"].stages.values() for k in ks}
    assert kinds == {"ir"}


def convolutions(form):
    return len(OTHERS) + sum(
        OF_F[stage][0] * len(POLYNOMIALS[kind])
        for stage, kinds in form.stages.items()
        for kind in kinds
    )


def test_convolutions_of_figure_1():
    second = third = FORMS["ir_3_6_3"]
    for stage in "abc":
        second = with_stage(second, stage, "mpoly2")
        third = with_stage(third, stage, "way3")
    found = [
        convolutions(form)
        for form in (
            FORMS["ir_3_6_3"],
            first_order(5, 10, 5),  # Inception-ResNet-v2
            second,
            third,
            FORMS["ir_10_20_10"],
            with_stage(first_order(6, 12, 6), "b", "poly3"),
            FORMS["polynet"],
            first_order(20, 56, 20),  # the figure has 654
        )
    ]
    assert found == [88, 132, 154, 220, 242, 274, 537, 542]


def test_factors_are_the_releases():
    found = FORMS["polynet"].module_scales()
    assert len(found) == 40
    np.testing.assert_allclose(found, 1 - 0.3 * np.arange(40) / 39, atol=5e-7)
    printed = {0: 1, 1: 0.992308, 9: 0.930769, 10: 0.923077, 13: 0.9}
    printed |= {29: 0.776923, 30: 0.769231, 38: 0.707692, 39: 0.7}
    assert {i: found[i] for i in printed} == printed  # prototxt, port


def test_factors_stand_in_the_network(polynet):
    model, _ = polynet
    sums = [x for x in model.layers if x.name.endswith("_sum")]
    assert [x.scale for x in sums] == FORMS["polynet"].module_scales()
    assert {x.stochastic_from for x in sums} == {480_000}
    other = graph_of("polynet", "ir_3_6_3_mpoly2_c")
    sums = [x for x in other.layers if x.name.endswith("_sum")]
    assert {(x.scale, x.stochastic_from) for x in sums} == {(0.3, None)}


def test_our_names_are_the_ports(polynet):
    model, _ = polynet
    entries = json.loads((golden.ORACLES / "cadene_polynet.json").read_text())
    theirs = {e.rpartition(".")[0] for e in entries}
    ours = [
        "last_linear" if layer.name == "fc" else _torch_name(layer.name, model)
        for layer in model.layers
        if layer.weights
    ]
    assert len(set(ours)) == len(ours)
    assert set(ours) == theirs


def test_terms_take_the_blocks_of_the_port(polynet):
    model, _ = polynet
    names = {
        "stem_conv2_long_4": "stem.conv2_long.3.conv",
        "stem_conv1_branch_bn": "stem.conv1_branch.bn",
        "reduction_b_path2_1": "reduction_b.path2.0.conv",
        "reduction_a_path1_bn": "reduction_a.path1.bn",
        "stage_a_3_g_path1_2": "stage_a.2.blocks.1.path1.1.conv",
        "stage_a_3_f_expand_bn": "stage_a.2.blocks.0.conv2d.bn",
        "stage_b_1_f_path0_2": "stage_b.0.path0_1x7.conv",
        "stage_b_1_fff_path0_2_bn": "stage_b.0.path0_1x7.bn_blocks.2",
        "stage_c_9_ff_path1_bn": "stage_c.8.path1.bn_blocks.1",
        "stage_c_9_ff_expand": "stage_c.8.conv2d_blocks.1.conv",
    }
    assert {name: _torch_name(name, model) for name in names} == names


def test_initial_weights():
    keras.utils.set_random_seed(0)
    form = dataclasses.replace(
        FORMS["polynet"], stages={"a": ("poly3",), "b": ("ir",), "c": ("ir",)}
    )
    model = network(form, 75, 100, name="one_each")
    for name, fan_in in (
        ("stem_conv1_3", 9 * 32),
        ("reduction_a_path0_3", 9 * 256),
        ("stage_b_1_f_path0_3", 7 * 160),
        ("stage_a_1_fff_expand", 128),
    ):
        kernel = model.get_layer(name).kernel.numpy()
        np.testing.assert_allclose(kernel.std(), np.sqrt(2 / fan_in), rtol=0.02)
        assert abs(kernel).max() > 3 * kernel.std()  # not truncated
        assert not model.get_layer(name).use_bias
    fc = model.get_layer("fc")
    np.testing.assert_allclose(fc.kernel.numpy().std(), 0.01, rtol=0.02)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma = 0.3 if layer.name.endswith("expand_bn") else 1.0
            np.testing.assert_array_equal(layer.gamma, np.float32(gamma))


def test_polynet_grows_from_its_first_order_network(polynet):
    start = RECIPES["polynet"].initialize_from
    assert start.variant == "ir_10_20_10"
    first, (grown, _) = graph_of("polynet", start.variant), polynet
    old = {x.name: [v.shape for v in x.variables] for x in first.layers}
    for name, shapes in old.items():
        if shapes:
            assert re.fullmatch(start.layers, name)
            layer = grown.get_layer(name)
            assert [v.shape for v in layer.variables] == shapes
    same = dataclasses.replace(
        RECIPES["polynet"], initialize_from=None, deviations=RECIPES[start.variant].deviations
    )
    assert same == RECIPES[start.variant]


def test_units_are_interleaved_with_those_of_a_smaller_network():
    start = RECIPES["ir_10_20_10_interleaved"].initialize_from
    assert FORMS[start.variant].stages["b"] == ("ir",) * 10
    smaller, larger = (
        {x.name: [v.shape for v in x.variables] for x in graph_of("polynet", variant).layers}
        for variant in (start.variant, "ir_10_20_10")
    )
    for name, shapes in smaller.items():
        if shapes:
            assert larger[start.renamed(name)] == shapes
    same = dataclasses.replace(
        RECIPES["ir_10_20_10_interleaved"],
        initialize_from=None,
        deviations=RECIPES["ir_10_20_10"].deviations,
    )
    assert same == RECIPES["ir_10_20_10"]


def listed(field):
    """The variants that have a deviation of that name."""
    return {
        variant
        for variant, recipe in RECIPES.items()
        if field in {deviation.field for deviation in recipe.deviations}
    }


def test_deviations_are_listed_where_they_apply():
    terms = {
        variant: {
            term for kinds in form.stages.values() for kind in kinds for term in POLYNOMIALS[kind]
        }
        for variant, form in FORMS.items()
    }
    chained = {v for v, ts in terms.items() if max(map(len, ts)) > 1}
    assert len(chained) == 1 + 4 * 3  # polynet; poly and mpoly in a stage
    assert listed("network: between two operators") == chained
    assert listed("network: path weight of a product") == chained
    shared = {v for v in chained if "FF" in terms[v]}
    assert listed("network: poly-3") == {"polynet"}
    assert listed("network: batch normalisation of poly-n") == shared - {"polynet"}
    falling = {v for v, f in FORMS.items() if f.scales[0] != f.scales[1]}
    assert listed("network: path weight") == falling


def test_the_deviation_of_the_test_has_the_recipes_sizes():
    for variant, recipe in RECIPES.items():
        (here,) = (d.here for d in recipe.deviations if d.field == "test_transforms")
        resize, frame = recipe.test_transforms
        assert resize.size == frame.size, variant
        assert str(resize.size) in here and str(recipe.image_size) in here


def test_the_contests_error_fell_by_14_8_percent():
    (contest,) = (r for r in EXPECTED.result if "CU-DeepLink" in r.variant)
    fell = 100 * (1 - contest.top5_error / 3.57)
    np.testing.assert_allclose(fell, 14.8, atol=0.05)
