"""Reading expected.toml and reproduced.toml."""

import subprocess
import sys

import pytest

from common.errors import RunError
from common.papers.expected import RUN_KEYS, read_expected, read_reproduced

TEXT = """
title = "t"
authors = "a"
venue = "v"
url = "u"
[parameters]
net = 60_965_224
[macs]
net = 5
[[result]]
variant = "net"
data = "imagenet2012"
split = "validation"
views = "ten_crop"
top1_error = 40.7
source = "Table 2"
[[table]]
title = "Table 1"
variant = "net"
source = "Sec. 3"
note = "K is 1024"
[[table.cell]]
row = "conv1"
column = "params"
layer = "conv1"
quantity = "params"
paper = "35K"
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
text = "x"
source = "y"
verdict = "wrong"
note = "z"
[[cost]]
variant = "net"
note = "6 days"
"""


def read(tmp_path, text):
    (tmp_path / "expected.toml").write_text(text)
    return read_expected(tmp_path)


def test_expected_is_read(tmp_path):
    expected = read(tmp_path, TEXT)
    assert expected.parameters == {"net": 60_965_224}
    (result,) = expected.result
    assert (result.top1_error, result.top5_error) == (40.7, None)
    assert expected.table[0].cell[0].paper == "35K"
    assert [table.note for table in expected.table] == ["K is 1024", None]
    (ratio,) = expected.ratio
    assert (ratio.of, ratio.to, ratio.paper) == ("other", "net", "12")
    assert ratio.explanation is None
    assert expected.claim[0].verdict == "wrong"
    assert expected.cost[0].note == "6 days"


@pytest.mark.parametrize(
    "old,new,message",
    [
        ('title = "t"', 'titel = "t"', "titel"),
        ("top1_error", "top1_eror", "result 1: top1_eror"),
        ('paper = "35K"', 'papper = "35K"', "cell 1: papper"),
        ('source = "Table 2"', "", "result 1 lacks source"),
        ('quantity = "params"', 'quantity = "flops"', "quantity 'flops'"),
        ('quantity = "depth"', 'quantity = "output"', "quantity 'output'"),
        ('of = "other"', "", "ratio 1 lacks of"),
        ('verdict = "wrong"', 'verdict = "odd"', "verdict 'odd'"),
        ("[macs]", "[macs", "cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path, old, new, message):
    with pytest.raises(RunError, match=message) as error:
        read(tmp_path, TEXT.replace(old, new, 1))
    assert "expected.toml" in str(error.value)


def test_a_paper_that_was_never_run_has_no_rows(tmp_path):
    assert read_reproduced(tmp_path) == []


def test_reproduced_rows_need_their_keys(tmp_path):
    path = tmp_path / "reproduced.toml"
    lines = [f'{key} = "x"' for key in RUN_KEYS]
    path.write_text("\n".join(["[[run]]", *lines, 'extra = "kept"']))
    (row,) = read_reproduced(tmp_path)
    assert row["extra"] == "kept"
    path.write_text("\n".join(["[[run]]", *lines[1:]]))
    with pytest.raises(RunError, match="run 1 lacks variant"):
        read_reproduced(tmp_path)


def test_tensorflow_is_not_imported():
    code = "import sys, common.papers.expected; print('tensorflow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
