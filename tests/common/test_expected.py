"""Reading expected.toml."""

import pytest

from common.errors import RunError
from common.papers.expected import Cell, Claim, Result, read_expected

TEXT = """
title = "t"
authors = "a"
venue = "v"
url = "u"
[networks]
net = {parameters = 60_965_224, macs = 5}
[[result]]
data = "imagenet2012"
split = "validation"
source = "Table 2"
rows = [
  {variant = "net", views = "ten_crop", top1_error = 40.7},
  {variant = "net", views = "single", top5_error = 20.0, split = "test"},
]
[[table]]
title = "Table 1"
variant = "net"
source = "Sec. 3"
note = "K is 1024"
columns = ["params", ["#1x1", "filters", "_1x1"], ["out", "output"]]
rows = [
  {row = "conv1", params = "35K", out = ["54x54", "it is 55x55"]},
  {row = "3a", layer = "inception_3a", "#1x1" = "64"},
  {row = "network", layer = "total", quantity = "depth", A = "8"},
]
[[table]]
title = "Table 2"
variant = "net"
source = "Sec. 4"
[[ratio]]
text = "12x fewer"
source = "Sec. 1"
quantity = "depth"
of = "other"
to = "net"
paper = "12"
[[claim]]
text = "one by itself"
source = "y"
verdict = "wrong"
note = "z"
[[claim]]
rows = [["said", "here", "checked", "so"], ["and", "there", "not run", "later"]]
[[cost]]
variant = "net"
note = "6 days"
"""


def read(tmp_path, text):
    (tmp_path / "expected.toml").write_text(text)
    return read_expected(tmp_path)


def test_expected_is_read(tmp_path):
    expected = read(tmp_path, TEXT)
    assert (expected.parameters, expected.macs) == ({"net": 60_965_224}, {"net": 5})
    assert [table.note for table in expected.table] == ["K is 1024", None]
    (ratio,) = expected.ratio
    assert (ratio.of, ratio.to, ratio.paper) == ("other", "net", "12")
    assert ratio.explanation is None
    assert expected.cost[0].note == "6 days"
    # What stands beside the rows holds for those that do not say otherwise.
    first, second = expected.result
    assert (first.source, second.source) == ("Table 2", "Table 2")
    assert (first.split, second.split) == ("validation", "test")
    assert (first.top1_error, first.top5_error) == (40.7, None)
    assert (second.top1_error, second.top5_error) == (None, 20.0)
    # A claim is a block, or a list of its four parts.
    alone, said, later = expected.claim
    assert (alone.text, alone.verdict) == ("one by itself", "wrong")
    assert said == Claim(text="said", source="here", verdict="checked", note="so")
    assert later.note == "later"


def test_a_row_of_a_table_is_its_cells(tmp_path):
    def cell(row, column, layer, quantity, paper, why=None):
        return Cell(
            row=row, column=column, layer=layer, quantity=quantity, paper=paper, explanation=why
        )

    assert read(tmp_path, TEXT).table[0].cell == (
        cell("conv1", "params", "conv1", "params", "35K"),
        cell("conv1", "out", "conv1", "output", "54x54", "it is 55x55"),
        cell("3a", "#1x1", "inception_3a_1x1", "filters", "64"),
        cell("network", "A", "total", "depth", "8"),
    )


@pytest.mark.parametrize(
    "old,new,message",
    [
        ('title = "t"', 'titel = "t"', "the top level: .*'titel'"),
        ("top5_error", "top5_eror", "result 2: .*'top5_eror'"),
        ('source = "Table 2"', "", "result 1: .*missing .*'source'"),
        ("top1_error = 40.7", 'top1_error = "40.7"', "result 1: .*top1_error is '40.7'"),
        ('source = "Table 2"', "source = 2", "result 1: .*source is 2, which is no str"),
        ("macs = 5", "macs = 5.5", "networks.net: .*macs is 5.5, which is no int"),
        (", macs = 5", "", "networks.net: .*'macs'"),
        ("{parameters = 60_965_224, macs = 5}", "5", "networks.net: .* not int"),
        ("[networks]\nnet = {parameters = 60_965_224, macs = 5}", "", "'networks'"),
        ('params = "35K"', 'parms = "35K"', "table 1, row 1: KeyError: 'parms'"),
        ('params = "35K"', "params = 35", "table 1, row 1: .*paper is 35"),
        ('"it is 55x55"', '"it is", "55x55"', "table 1, row 1: "),
        ('{row = "3a", ', "{", "table 1, row 2: KeyError: 'row'"),
        ('{variant = "net", views = "ten_crop"', '"net", {views = "single"', "result 1: "),
        ('["out", "output"]', '["out", "size"]', "quantity 'size'"),
        ('["out", "output"]', '["out"]', "table 1: "),
        ('quantity = "depth"\nof', 'quantity = "output"\nof', "ratio 1: .*quantity 'output'"),
        ('"checked", "so"]', '"checked"]', "claim 2: "),
        ('verdict = "wrong"', 'verdict = "odd"', "claim 1: .*verdict 'odd'"),
        ("[networks]", "[networks", "cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path, old, new, message):
    with pytest.raises(RunError, match=message) as error:
        read(tmp_path, TEXT.replace(old, new, 1))
    assert "expected.toml" in str(error.value)


@pytest.mark.parametrize(
    ("source", "own"),
    [
        ("Table 3", True),
        ("Tables 2, 3, 4", True),
        ("Sec. 6, footnote 5", True),
        ("README; issue 1; Fig. 1", True),
        ("log of net 145, epoch 91", True),
        ("torchvision, IMAGENET1K_V1", False),
        ("FAIR, table of 1-crop errors", False),
        ("someone/tables, log", False),
        ("Another Paper (2016), Table 5", False),
    ],
)
def test_a_number_is_the_papers_own_where_its_source_is_a_place_in_it(source, own):
    claim = Result(variant="x", data="mnist", split="test", views="single", source=source)
    assert claim.own is own
