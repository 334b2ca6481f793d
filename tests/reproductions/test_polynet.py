"""PolyNet's facts: counts, sizes, the release's factors, the recipe."""

import dataclasses
import json
import math
import re

import keras
import numpy as np
import pytest

import reproductions
from common.models.layer_table import find_row
from common.papers.expected import read_expected
from reproductions.polynet.forms import FORMS, POLYNOMIALS, first_order, with_stage
from reproductions.polynet.weights import _torch_name
from tests import golden
from tests.reproductions.graphs import graph_of, rows_of

RECIPES = reproductions.load("polynet").RECIPES

EXPECTED = read_expected(reproductions.folder("polynet"))


def test_polynet_executes_537_convolutions():  # Fig. 1
    model = graph_of("polynet", "polynet")
    layers = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert sum(len(layer._inbound_nodes) for layer in layers) == 537
    assert len(layers) == 537 - 10 * 2 * 4 - 5 * 2 * 4  # 4 shared, 3 uses


def test_a_shared_convolution_costs_what_its_uses_do():
    rows = rows_of("polynet", "polynet")
    shared = find_row(rows, "stage_b_1_f_path0_2")
    assert shared.weights == 7 * 128 * 160
    assert shared.macs == 3 * shared.weights * 19 * 19
    once = find_row(rows, "stage_b_2_f_path0_2")
    assert once.macs == shared.macs // 3


# Of R. Cadene's port, which shares nothing with this one: what is trained, name -> shape.
PORT = {
    entry: shape
    for entry, shape in json.loads((golden.ORACLES / "cadene_polynet.json").read_text()).items()
    if "running" not in entry
}
SIDES = {331: {"a": 39, "b": 19, "c": 9}, 299: {"a": 35, "b": 17, "c": 8}}  # of the stages' maps


def operator(stage):
    """F's sizes in the port: of its kernels, the last one linear; of its gammas and betas."""
    module = FORMS["polynet"].stages[stage].index("way2")
    shapes = [s for e, s in PORT.items() if e.startswith(f"stage_{stage}.{module}.blocks.0.")]
    return [[math.prod(s) for s in shapes if len(s) == axes] for axes in (4, 1)]


def counts(form, size):
    """(parameters, multiply-accumulates of the stages alone)."""
    params = sum(math.prod(s) for e, s in PORT.items() if not e.startswith("stage_"))
    macs = 0
    for stage, kinds in form.stages.items():
        kernels, norms = operator(stage)
        for kind in kinds:
            uses, own = len(POLYNOMIALS[kind]), len({term[0] for term in POLYNOMIALS[kind]})
            linear = 0 if form.shared_expansion else uses - own
            params += own * sum(kernels) + linear * kernels[-1] + uses * sum(norms)
            macs += uses * sum(kernels) * SIDES[size][stage] ** 2
    return params, macs


@pytest.mark.parametrize("variant", RECIPES)
def test_counts_follow_from_the_ports_shapes(variant):
    size = RECIPES[variant].image_size
    first = "polynet" if size == 331 else "ir_3_6_3"
    params, macs = counts(FORMS[variant], size)
    assert EXPECTED.parameters[variant] == params
    # All networks of a size have the same stem and reductions.
    rest = EXPECTED.macs[first] - counts(FORMS[first], size)[1]
    assert EXPECTED.macs[variant] == macs + rest


def test_the_control_costs_what_poly2_costs():
    """As many multiplications, first order only, so more parameters."""
    assert EXPECTED.macs["ir_3_12_3"] == EXPECTED.macs["ir_3_6_3_poly2_b"]
    kinds = {k for ks in FORMS["ir_3_12_3"].stages.values() for k in ks}
    assert kinds == {"ir"}


def convolutions(form):
    outside = sum(len(s) == 4 and not e.startswith("stage_") for e, s in PORT.items())
    return outside + sum(
        len(operator(stage)[0]) * len(POLYNOMIALS[kind])
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


def test_factors_stand_in_the_network():
    model = graph_of("polynet", "polynet")
    sums = [x for x in model.layers if x.name.endswith("_sum")]
    assert [x.scale for x in sums] == FORMS["polynet"].module_scales()
    assert {x.stochastic_from for x in sums} == {480_000}
    other = graph_of("polynet", "ir_3_6_3_mpoly2_c")
    sums = [x for x in other.layers if x.name.endswith("_sum")]
    assert {(x.scale, x.stochastic_from) for x in sums} == {(0.3, None)}


def test_our_names_are_the_ports():
    model = graph_of("polynet", "polynet")
    theirs = {entry.rpartition(".")[0] for entry in PORT}
    ours = [
        "last_linear" if layer.name == "fc" else _torch_name(layer.name, model)
        for layer in model.layers
        if layer.weights
    ]
    assert len(set(ours)) == len(ours)
    assert set(ours) == theirs


def test_terms_take_the_blocks_of_the_port():
    model = graph_of("polynet", "polynet")
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


def test_path_weights_begin_as_the_gammas_of_polynet_alone():
    for variant, expand in (("polynet", 0.3), ("ir_3_6_3", 1.0)):
        for layer in graph_of("polynet", variant).layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                wanted = expand if layer.name.endswith("expand_bn") else 1.0
                assert layer.gamma_initializer.value == wanted, layer.name


def test_polynet_grows_from_its_first_order_network():
    start = RECIPES["polynet"].initialize_from
    assert start.variant == "ir_10_20_10"
    first, grown = (graph_of("polynet", name) for name in (start.variant, "polynet"))
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
    assert FORMS[start.variant].module_scales() == FORMS["polynet"].module_scales()


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
