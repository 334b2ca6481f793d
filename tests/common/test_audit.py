"""The counting rules and what "agrees" means."""

import keras
import pytest

from common.audit import (
    AGREES,
    EXPLAINED,
    MISFIT,
    NEEDLESS,
    agrees,
    audit_paper,
    check_table,
    find_row,
    layer_table,
    totals,
)
from common.errors import RunError
from common.paper import Cell, Table


class Rbf(keras.layers.Layer):
    """A layer that knows its own MACs."""

    def build(self, input_shape):
        self.centres = self.add_weight(shape=(input_shape[-1], 10))

    def call(self, x):
        return keras.ops.matmul(x, self.centres)

    def macs(self, input_shape, output_shape):
        return input_shape[-1] * output_shape[-1]


@pytest.fixture(scope="module")
def rows():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            layers.ZeroPadding2D(((0, 3), (0, 3))),
            layers.Conv2D(6, 3, strides=2, groups=2, name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.MaxPooling2D(3, strides=2, name="pool1"),
            layers.DepthwiseConv2D(3, padding="same", name="mix_depth"),
            layers.Conv2D(5, 3, padding="same", use_bias=False, name="mix_all"),
            layers.Flatten(),
            layers.Dense(7, name="fc"),
            Rbf(name="rbf"),
        ]
    )
    return layer_table(model)


def test_layers_are_counted(rows):
    found = {r.name: (r.params, r.weights, r.macs, r.volume) for r in rows}
    kernel = 3 * 3 * 2 * 6  # each kernel sees 2 of the 4 maps
    assert found["conv1"] == (kernel + 6, kernel, kernel * 25, 150)
    assert found["norm1"] == (12, 0, 0, 150)  # gamma, beta; no moving ones
    assert found["pool1"] == (0, 0, 0, 24)
    assert found["mix_depth"] == (54 + 6, 54, 54 * 4, 24)
    assert found["mix_all"] == (270, 270, 270 * 4, 20)
    assert found["fc"] == (20 * 7 + 7, 140, 140, 7)
    assert found["rbf"] == (70, 70, 70, 10)


def test_windows_are_read(rows):
    conv, pool = find_row(rows, "conv1"), find_row(rows, "pool1")
    assert (conv.kernel, conv.filters, conv.strides) == ((3, 3, 2), 6, 2)
    assert (conv.padding, pool.padding) == ("0+3", "0")
    assert (pool.kernel, pool.strides) == ((3, 3), 2)
    assert find_row(rows, "mix_all").padding == "1"


def test_total_and_prefix_are_sums(rows):
    assert find_row(rows, "total") == totals(rows)
    assert totals(rows).params == 114 + 12 + 60 + 270 + 147 + 70
    mix = find_row(rows, "mix")
    assert (mix.params, mix.macs, mix.output) == (330, 1296, (2, 2, 5))
    with pytest.raises(RunError, match="conv9"):
        find_row(rows, "conv9")


@pytest.mark.parametrize(
    "paper,low,high",
    [
        ("35K", 34_500, 35_499),
        ("105M", 104_500_000, 105_499_999),
        ("1.3M", 1_250_000, 1_349_999),
        ("724,406,816", 724_406_816, 724_406_816),
        ("3.6×10^9", 3_550_000_000, 3_649_999_999),
        ("1072K", 1_071_500, 1_072_499),
        ("15.47G", 15_465_000_000, 15_474_999_999),
    ],
)
def test_numbers_agree_that_round_to_the_printed_one(paper, low, high):
    assert agrees(paper, low) and agrees(paper, high)
    assert not agrees(paper, low - 1) and not agrees(paper, high + 1)


def test_shapes_agree():
    assert agrees("55x55x96", (55, 55, 96))
    assert agrees("[13×13×384]", (13, 13, 384))
    assert agrees("1x1x4096", (4096,))
    assert agrees("56x56", (56, 56, 64))
    assert not agrees("55x55x96", (55, 55, 48))
    assert not agrees("4096", (6, 6, 4096))


@pytest.mark.parametrize("computed", [5, (5, 5)])
def test_what_is_no_number_is_refused(computed):
    with pytest.raises(RunError, match="some"):
        agrees("some", computed)


def test_verdicts(rows):
    def verdict(paper, explanation):
        cell = Cell(
            row="CONV1",
            column="p",
            layer="conv1",
            quantity="params",
            paper=paper,
            explanation=explanation,
        )
        table = Table(title="t", variant="v", source="s", cell=(cell,))
        (found,) = check_table(table, rows)
        assert (found.paper, found.computed) == (paper, "114")
        return found.verdict

    assert verdict("114", None) == AGREES
    assert verdict("115", "a misprint") == EXPLAINED
    assert verdict("115", None) == MISFIT
    assert verdict("114", "a misprint") == NEEDLESS


def test_audit_checks_counts_and_tables(tmp_path):
    (tmp_path / "expected.toml").write_text(
        """
        title = "t"
        authors = "a"
        venue = "v"
        url = "u"
        parameters = {small = 12}
        macs = {small = 11}
        [[table]]
        title = "T1"
        variant = "small"
        source = "s"
        [[table.cell]]
        row = "r"
        column = "c"
        layer = "fc"
        quantity = "volume"
        paper = "2"
        """
    )

    def build_model(variant):
        assert variant == "small"
        x = keras.Input((5,))
        return keras.Model(x, keras.layers.Dense(2, name="fc")(x))

    verdicts = audit_paper(tmp_path, build_model)
    assert [(v.table, v.computed, v.verdict) for v in verdicts] == [
        ("[parameters]", "12", AGREES),
        ("[macs]", "10", MISFIT),
        ("T1", "2", AGREES),
    ]
