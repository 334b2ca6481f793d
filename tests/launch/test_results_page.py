"""What is said of structural numbers and of the slides, without a network."""

import re

import pytest

import reproductions
from launch import leaderboard, report, results_slides
from launch.paper_results import Paper
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
    paper = Paper("toy")
    return [*page({"toy": paper}).splitlines(), *paper.page().splitlines()]


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
    assert "| 4, 2 differ and are explained |" in overview


def test_other_statements_are_listed_with_their_verdict(lines):
    assert "| It is small. | Sec. 1 | checked |  |" in lines


def test_every_system_and_table_of_the_slides_is_accounted_for():
    text = report.RESULTS.read_text().partition('<a id="slides">')[2]
    for heading in ("LeNet-5", "AlexNet", "VGGNet", "GoogLeNet", "ResNet"):
        assert f"| {heading} |" in text
    for heading in ("Inception", "PolyNet"):  # a title and no number
        assert f"| {heading} |" in text
    # 22 rows of the leaderboard, by 7 teams.
    assert "all 22 entries" in text
    challenge = report.RESULTS.parent / "reproductions/ilsvrc2016/results.md"
    for entry in leaderboard.read()["entry"]:
        assert f"| {entry['team']}: {entry['entry']} |" in (
            challenge.read_text()
        )
        assert f"| {entry['team']} |" in text


NUMBER = r"(?<!times)\b\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?[KM]\b|0\.\d{5,6}"


def test_every_number_of_the_slides_tables_was_checked(shared_data):
    slides = (shared_data.parent / "slides.txt").read_text()
    known = set()
    for name in reproductions.names():
        about = Paper(name).expected
        tables = [t for t in about.table if results_slides.on_slides(t)]
        known |= {c.paper.replace("i", "") for t in tables for c in t.cell}
        said = [c.text + c.note for c in about.claim if "slides" in c.source]
        known |= set(re.findall(NUMBER, " ".join(said)))
    for entry in leaderboard.read()["entry"]:
        known |= {str(v) for v in entry.values() if isinstance(v, float)}
    found = set(re.findall(NUMBER, slides))
    assert len(found) > 100
    assert found <= known
