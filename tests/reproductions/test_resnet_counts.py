"""The numbers of the ResNet paper: Table 1, Figure 3, Section 3.3."""

import functools

import pytest

import reproductions
from common.papers.audit import AGREES, EXPLAINED, check_table
from common.papers.expected import read_expected
from tests.reproductions.helpers import rows_of

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
PLAIN, A, B, C = range(4)


def counts(blocks, *, bottleneck, option, on_3x3=False):
    """(parameters, multiply-accumulates) from Table 1, by arithmetic."""
    # (kernel size, maps in, maps out, side of the output)
    convs, maps, side = [(7, 3, 64, 112)], 64, 56
    for stage, number in enumerate(blocks):
        width, new_side = 64 * 2**stage, 56 // 2**stage
        out = 4 * width if bottleneck else width
        for _ in range(number):
            first = side if on_3x3 else new_side
            branch = (
                [(1, maps, width, first), (3, width, width, new_side)] + [(1, width, out, new_side)]
                if bottleneck
                else [(3, maps, width, new_side), (3, width, width, new_side)]
            )
            if option == C or (option == B and maps != out):
                branch.append((1, maps, out, new_side))
            convs += branch
            maps, side = out, new_side
    params = sum(k * k * i * o + 2 * o for k, i, o, _ in convs)
    macs = sum(k * k * i * o * s * s for k, i, o, s in convs)
    return params + 1000 * (maps + 1), macs + 1000 * maps


@pytest.mark.parametrize(
    "variant,depth,option",
    [
        ("plain18", 18, PLAIN),
        ("plain34", 34, PLAIN),
        ("resnet18", 18, B),
        ("resnet34", 34, B),
        ("resnet18_a", 18, A),
        ("resnet34_a", 34, A),
        ("resnet34_c", 34, C),
        *(
            (f"resnet{depth}{form}", depth, B)
            for depth in (50, 101, 152)
            for form in ("", "_caffe", "_v1_5")
        ),
    ],
)
def test_counts_follow_from_table_1(variant, depth, option):
    wanted = counts(
        BLOCKS[depth], bottleneck=depth >= 50, option=option, on_3x3=variant.endswith("_v1_5")
    )
    assert (EXPECTED.parameters[variant], EXPECTED.macs[variant]) == wanted


def test_plain_networks_and_option_a_cost_the_same():  # Sec. 3.3
    for depth in (18, 34):
        for numbers in (EXPECTED.parameters, EXPECTED.macs):
            assert numbers[f"plain{depth}"] == numbers[f"resnet{depth}_a"]


def test_a_projection_doubles_a_bottleneck_but_not_the_network():  # Sec. 4.1
    block = [(1, 256, 64), (3, 64, 64), (1, 64, 256)]
    weights = sum(k * k * i * o for k, i, o in block)
    assert (weights + 256 * 256) / weights == pytest.approx(1.94, abs=0.005)
    with_b, with_c = (counts(BLOCKS[50], bottleneck=True, option=option) for option in (B, C))
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


@pytest.mark.parametrize("table", EXPECTED.table, ids=lambda table: table.title)
def test_tables_agree_or_are_explained(table):
    verdicts = check_table(table, rows_of("resnet", table.variant))
    explained = {v.row for v in verdicts if v.verdict == EXPLAINED}
    assert {v.verdict for v in verdicts} <= {AGREES, EXPLAINED}
    wanted = {
        "Table 1, 50-layer": {"FLOPs"},  # 3.858 is printed as 3.8
        "Table 1, 34-layer under option B": {"FLOPs"},
        "Table 1, 34-layer under option C": {"FLOPs"},
        "ResNeXt's ResNet-50": {"params"},
    }
    assert explained == wanted.get(table.title, set())
