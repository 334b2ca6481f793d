"""What results.md says of structural numbers, without any network."""

import pytest

from launch.results_page import page
from tests.launch import toy

TABLES = """
[[table]]
title = "Table 1"
variant = "toy"
source = "Sec. 2"
note = "K is 1024"
[[table.cell]]
row = "FC"
column = "params"
layer = "fc"
quantity = "params"
paper = "1Ki"
explanation = "rounded up"
[[table.cell]]
row = "FC"
column = "units"
layer = "fc"
quantity = "filters"
paper = "10"
[[ratio]]
text = "12x fewer parameters"
source = "Sec. 1"
quantity = "params"
of = "another"
to = "toy"
paper = "12"
explanation = "it is 9"
[[ratio]]
text = "as deep"
source = "Sec. 1"
quantity = "depth"
of = "another"
to = "toy"
paper = "1"
"""


@pytest.fixture
def lines(tmp_path, monkeypatch):
    folder = toy.make(tmp_path, monkeypatch)
    (folder / "expected.toml").write_text(toy.EXPECTED + TABLES)
    return page().splitlines()


def test_a_table_is_listed_with_its_note_and_its_differences(lines):
    row = "| Table 1: K is 1024 | toy | Sec. 2 | 2 | 1 |"
    assert row in lines


def test_a_ratio_is_listed_with_its_verdict(lines):
    ratio = "params of another / toy"
    assert (
        f"| 12x fewer parameters | Sec. 1 | {ratio} | 12 | differs: it is 9 |"
    ) in lines
    assert "| as deep | Sec. 1 | depth of another / toy | 1 | agrees |" in lines


def test_the_overview_counts_cells_and_ratios(lines):
    overview = next(line for line in lines if "(#toy)" in line)
    assert "| 4, 2 of them differ and are explained |" in overview
