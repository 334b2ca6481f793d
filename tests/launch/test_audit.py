"""The verb; the arithmetic behind it is tested in tests/common."""

import pytest

import reproductions
from launch import audit
from tests.launch import toy

# A dense layer of 10 units on 99 inputs: 990 weights and 10 biases.
EXPECTED = """
title = "Toy networks"
authors = "A. Author"
venue = "Toys 1998"
url = "https://example.org"
[parameters]
toy = 1_000
[macs]
toy = 990
[[table]]
title = "Slide 1"
variant = "toy"
source = "slides.txt"
[[table.cell]]
row = "FC"
column = "params"
layer = "fc"
quantity = "params"
paper = "{paper}"
"""


@pytest.fixture
def audited(tmp_path, monkeypatch, capsys):
    """Audits the toy paper with one cell; (exit code, what is printed)."""
    import keras

    folder = toy.make(tmp_path, monkeypatch)

    def build_model(variant):
        image = keras.Input((99,))
        return keras.Model(image, keras.layers.Dense(10, name="fc")(image))

    reproductions.load("toy").build_model = build_model

    def run(paper, more=""):
        text = EXPECTED.format(paper=paper) + more
        (folder / "expected.toml").write_text(text)
        code = audit.run(["toy"])
        return code, capsys.readouterr().out

    return run


def test_agreement_is_exit_code_0(audited):
    code, out = audited("1K")
    assert code == 0
    assert "3 cells: 3 agrees." in out


def test_an_unexplained_difference_is_exit_code_1(audited):
    code, out = audited("2K")
    assert code == 1
    (line,) = [line for line in out.splitlines() if line.startswith("FC")]
    assert line.split() == ["FC", "params", "2K", "1,000", "MISFIT"]


def test_an_explained_difference_is_shown_with_its_reason(audited):
    code, out = audited("2K", 'explanation = "printed twice"')
    assert code == 0
    (line,) = [line for line in out.splitlines() if line.startswith("FC")]
    assert line.endswith("explained  printed twice")
