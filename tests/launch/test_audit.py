"""The verb; the arithmetic behind it is tested in tests/common."""

import re

import keras
import pytest

import reproductions
from common.errors import UsageError
from tests.launch import toy
from tests.launch.flags import launch

# A dense layer of 10 units on 99 inputs: 990 weights and 10 biases.
EXPECTED = """
toy = {{parameters = 1_000, macs = 990}}
[[table]]
title = "Slide 1"
variant = "toy"
source = "slides.txt"
note = "K is 1000 here."
columns = ["params"]
rows = [{{row = "FC", layer = "fc", params = {cell}}}]
"""


def dense(units):
    image = keras.Input((99,))
    return keras.Model(image, keras.layers.Dense(units, name="fc")(image))


@pytest.fixture
def audited(tmp_path, monkeypatch, capsys):
    """Audits the toy paper with one cell; (exit code, what is printed)."""
    folder = toy.make(tmp_path, monkeypatch)

    monkeypatch.setattr("reproductions.build_model", lambda paper, variant: dense(10))

    def run(paper, more="", why=None):
        cell = f'["{paper}", "{why}"]' if why else f'"{paper}"'
        (folder / "expected.toml").write_text(toy.HEAD + EXPECTED.format(cell=cell) + more)
        code = launch("audit", "toy")
        return code, capsys.readouterr().out

    return run


def test_agreement_is_exit_code_0_and_a_tables_note_stands_under_its_title(audited):
    code, out = audited("1K")
    assert code == 0
    assert "3 cells: 3 agrees." in out
    lines = out.splitlines()
    place = lines.index("toy: Slide 1")
    assert lines[place + 1] == "K is 1000 here."
    assert lines[place + 2].split()[:2] == ["row", "column"]


@pytest.mark.parametrize(
    ("why", "expected", "end"),
    [(None, 1, ["MISFIT"]), ("printed twice", 0, ["explained", "printed twice"])],
)
def test_only_an_unexplained_difference_is_exit_code_1(audited, why, expected, end):
    code, out = audited("2K", why=why)
    assert code == expected
    (line,) = [line for line in out.splitlines() if line.startswith("FC")]
    assert re.split("  +", line.rstrip()) == ["FC", "params", "2K", "1,000", *end]


RATIO = """
[[ratio]]
text = "half the work"
source = "Sec. 1"
quantity = "macs"
of = "toy"
to = "{to}"
paper = "0.5"
"""


def test_a_ratio_names_a_network_of_another_paper(audited, monkeypatch):
    with pytest.raises(UsageError, match="called 'wide'"):
        audited("1K", RATIO.format(to="wide"))
    # Of 20 units, the network of a second paper.
    papers = {
        "toy": reproductions.load("toy"),
        "widenet": reproductions.Paper(RECIPES={"wide": None}, VIEWS={}),
    }
    units = {"toy": 10, "widenet": 20}
    monkeypatch.setattr("reproductions.build_model", lambda paper, _: dense(units[paper]))
    monkeypatch.setattr("reproductions.names", lambda: tuple(papers))
    monkeypatch.setattr("reproductions.load", papers.get)
    code, out = audited("1K", RATIO.format(to="wide"))
    assert code == 0
    line = next(x for x in out.splitlines() if x.startswith("half the work"))
    found = line.removeprefix("half the work").split()
    assert found == ["macs:", "toy", "/", "wide", "0.5", "0.500", "agrees"]


def test_a_long_audit_says_how_far_it_is_on_stderr(audited, tmp_path, monkeypatch, capsys):
    now = [100.0]

    def build(paper, name):  # in six seconds
        now[0] += 6
        return dense(10)

    monkeypatch.setattr("launch.terminal.display.time.monotonic", lambda: now[0])
    monkeypatch.setattr("reproductions.find", lambda name: ("toy", name))
    monkeypatch.setattr("reproductions.build_model", build)
    networks = (f"{name} = {{parameters = 1_000, macs = 990}}\n" for name in "abcdef")
    file = tmp_path / "reproductions" / "toy" / "expected.toml"
    file.write_text(toy.HEAD + "".join(networks))
    assert launch("audit", "toy") == 0
    # Nothing in the first ten seconds, then at most one line in ten.
    assert capsys.readouterr().err.splitlines() == [
        "building networks: 2/6, 24 s left",
        "building networks: 4/6, 12 s left",
    ]
