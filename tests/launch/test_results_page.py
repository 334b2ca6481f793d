"""What is said of structural numbers and of the slides, without a network."""

import re
from collections import Counter

import reproductions
from common.papers.expected import CLAIM_VERDICTS
from launch.report import leaderboard, paper_page, report, results_page, results_slides
from launch.report.papers import Paper, read_papers
from tests.launch import toy

TABLES = """
[[table]]
title = "Table 1"
variant = "toy"
source = "Sec. 2"
note = "K is 1024"
columns = ["params", ["units", "filters"]]
rows = [{row = "FC", layer = "fc", params = ["1Ki", "rounded up"], units = "10"}]
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


def test_tables_ratios_and_statements_are_listed_and_counted(tmp_path, monkeypatch):
    folder = toy.make(tmp_path, monkeypatch)
    (folder / "expected.toml").write_text(toy.EXPECTED + TABLES)
    paper = Paper("toy")
    own = paper_page.page(paper, {})
    ratio = "params of another / toy"
    for line in (
        "| Table 1: K is 1024 | toy | Sec. 2 | 2 | 1 |",
        f"| 12x fewer parameters | Sec. 1 | {ratio} | 12 | differs: it is 9 |",
        "| as deep | Sec. 1 | depth of another / toy | 1 | agrees |",
        "| It is small. | Sec. 1 | checked |  |",
    ):
        assert line in own.splitlines()
    assert "4 structural numbers, of which 2 differ and are explained;" in own
    counts = "| [Toy](reproductions/toy/results.md) | 0 of 2 | 4 | 2 | 1 | 0 |"
    assert counts in results_page.page({"toy": paper})


def test_verdicts_are_counted_and_have_a_meaning():
    papers = [Paper(name) for name in reproductions.names()]
    counts = sum((paper.verdicts() for paper in papers), Counter())
    assert set(counts) == set(CLAIM_VERDICTS)
    (line,) = [
        one for one in report.RESULTS.read_text().splitlines() if one.startswith("* Statements: ")
    ]
    numbers = [int(n) for n in re.findall(r"\d+", line)]
    assert numbers == [counts.total(), *(counts[v] for v in CLAIM_VERDICTS)]


def test_without_the_papers_text_no_statement_of_it_is_wrong():
    claims = Paper("polynet").expected.claim
    assert "wrong" not in {claim.verdict for claim in claims}


def test_every_system_and_table_of_the_slides_is_accounted_for():
    folder = report.RESULTS.parent / "reproductions"
    text, challenge = ((folder / p).read_text() for p in ("slides.md", "ilsvrc2016/results.md"))
    for heading in results_slides.SYSTEMS:
        assert f"| {heading} |" in text
    assert [*results_slides.SYSTEMS][:5] == ["LeNet-5", "AlexNet", "VGGNet", "GoogLeNet", "ResNet"]
    assert [*results_slides.SYSTEMS][5:] == ["Inception", "PolyNet"]  # a title and no number
    assert "all 22 entries" in text  # the leaderboard's rows, by 7 teams
    for entry in leaderboard.read()["entry"]:
        assert f"| {entry['team']}: {entry['entry']} |" in challenge
        assert f"| {entry['team']} |" in text
    said = '"16% better performance" (slides, ILSVRC2016): checked;'
    assert said in text and said in challenge


def test_the_leaderboard_has_all_of_the_slides_digits():
    text = results_slides.entries()
    for numbers in (
        "2,991 | 2.991 % (2.887 to 3.098) | 7.7668 %",
        "3,046 | 3.046 % (2.941 to 3.154) | 9.9006 %",
        "3,049 | 3.049 % (2.944 to 3.157) | 9.8954 %",
    ):
        assert f" | {numbers} | " in text
    assert "Normalization |  | not in the slides | 9.9349 % |" in text


def test_the_front_page_stays_a_page(monkeypatch):
    papers = read_papers()
    whole = sum(map(len, results_page.list_reproduced(list(papers.values()))[0]))
    monkeypatch.setattr(results_page, "FRONT_ROWS", 2)
    front = results_page.front_table(papers)
    names = re.findall(r"^\| \[(\w+)\]", front, re.MULTILINE)
    assert names == ["lenet5", "cifar_resnet20"]
    assert front.endswith(f", which has {whole - 2} rows more.")
