"""The numbers of the ResNet paper: Table 1, Figure 3, Section 3.3."""

import functools

import pytest

import reproductions
from common.papers.expected import read_expected
from tests.reproductions.helpers import residual_counts

build_model = functools.partial(reproductions.build_model, "resnet")

FOLDER = reproductions.folder("resnet")
EXPECTED = read_expected(FOLDER)
# Table 1: blocks of each stage.
BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


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
