"""What "agrees" means, and a verdict on each printed number."""

import keras
import pytest

from common.errors import RunError
from common.models.layer_table import LayerRow
from common.papers.audit import (
    AGREES,
    EXPLAINED,
    MISFIT,
    NEEDLESS,
    agrees,
    audit_paper,
    check_ratio,
)
from common.papers.expected import Ratio


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
        ("159Ki", 162_304, 163_327),  # 158.5 and 159.5 times 1024
        ("1.5Mi", 1_520_436, 1_625_292),
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


def row(name="conv1", *, main=True, **sizes):
    counts = dict.fromkeys(("weights", "volume", "layers"), 0)
    counts |= {"params": 0, "macs": 0, "depth": 0} | sizes
    return LayerRow(name=name, kind="", main=main, output=(), **counts)


def ratio(paper, explanation=None, quantity="params"):
    of = {"text": "12x fewer parameters than AlexNet", "source": "Sec. 1", "quantity": quantity}
    return Ratio(**of, of="alexnet", to="googlenet", paper=paper, explanation=explanation)


def test_a_ratio_agrees_that_rounds_to_the_printed_one():
    def verdict(thousandths, explanation=None):
        of, to = [row(params=thousandths)], [row(params=1000)]
        return check_ratio(ratio("1.3", explanation), of, to).verdict

    assert verdict(1_250) == verdict(1_349) == AGREES
    assert verdict(1_249) == verdict(1_350) == MISFIT
    assert verdict(1_249, "why") == EXPLAINED
    assert verdict(1_250, "why") == NEEDLESS


def test_a_ratio_is_of_the_main_paths_and_says_what_was_divided():
    alexnet = [row("fc", params=60_965_224, depth=8)]
    aux = row("aux1_fc", params=3_188_840, depth=30, main=False)
    googlenet = [row("fc", params=6_998_552, depth=22), aux]
    found = check_ratio(ratio("12", "why"), alexnet, googlenet)
    assert (found.table, found.column) == ("[ratio]", "params: alexnet / googlenet")
    assert (found.computed, found.verdict) == ("8.71", EXPLAINED)
    found = check_ratio(ratio("0.4", None, "depth"), alexnet, googlenet)
    assert (found.computed, found.verdict) == ("0.364", AGREES)


AUDITED = """
title = "t"
authors = "a"
venue = "v"
url = "u"
networks.small = {parameters = 12, macs = 11}
[[table]]
title = "T1"
variant = "small"
source = "s"
columns = [["c", "volume"]]
rows = [{row = "r", layer = "fc", c = ["3", "a misprint"]}]
[[ratio]]
text = "thrice the work of another paper's network"
source = "s"
quantity = "macs"
of = "large"
to = "small"
paper = "3"
"""


def test_audit_checks_counts_tables_and_ratios_and_builds_each_network_once(tmp_path):
    (tmp_path / "expected.toml").write_text(AUDITED)
    built, counted = [], {}

    def build(variant):
        built.append(variant)
        x = keras.Input(({"small": 5, "large": 15}[variant],))
        return keras.Model(x, keras.layers.Dense(2, name="fc")(x))

    verdicts = audit_paper(tmp_path, build, counted)
    assert [(v.table, v.paper, v.computed, v.verdict) for v in verdicts] == [
        ("[parameters]", "12", "12", AGREES),
        ("[macs]", "11", "10", MISFIT),
        ("T1", "3", "2", EXPLAINED),
        ("[ratio]", "3", "3.00", AGREES),
    ]
    assert set(counted) == {"small", "large"}
    assert audit_paper(tmp_path, build, counted) == verdicts
    assert built == ["small", "large"]


def test_a_network_of_any_size_is_audited(tmp_path):
    side = 10**8  # its weights would take 40,000,000 GB
    text = AUDITED.partition("[[table]]")[0]
    text = text.replace("12", f"{side * side + side}")
    (tmp_path / "expected.toml").write_text(text.replace("11", "1"))

    def build(variant):
        x = keras.Input((side,))
        return keras.Model(x, keras.layers.Dense(side)(x))

    parameters, macs = audit_paper(tmp_path, build)
    assert parameters.verdict == AGREES
    assert macs.computed == f"{side * side:,}"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
