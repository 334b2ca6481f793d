"""Reading deviations.toml: which variants, and what the suite's file has."""

import pytest

from common.errors import RunError
from common.papers.deviations import add_deviations
from reproductions.lenet5.recipe import LENET5 as RECIPE

SUITE = """
[[deviation]]
field = "last batch"
paper = "not said"
here = "left out"
reason = "equal updates"
"""
OWN = """
[[deviation]]
field = "loss"
paper = "a"
here = "b"
reason = "c"
departs = true
variants = ["net*", "!net_small"]

[[deviation]]
field = "last batch"

[[deviation]]
field = "last batch"
paper = "a smaller batch"
variants = ["!net*"]
"""
VARIANTS = ("net", "net_small", "net_large", "other")


@pytest.fixture
def read(tmp_path):
    """The deviations of each variant: (field, paper, here, reason, departs)."""

    def run(own=OWN, suite=SUITE):
        folder = tmp_path / "paper"
        folder.mkdir(exist_ok=True)
        (folder / "deviations.toml").write_text(own)
        (tmp_path / "deviations.toml").write_text(suite)
        found = add_deviations(dict.fromkeys(VARIANTS, RECIPE), folder)
        return {
            variant: [(d.field, d.paper, d.here, d.reason, d.departs) for d in recipe.deviations]
            for variant, recipe in found.items()
        }

    return run


LOSS = ("loss", "a", "b", "c", True)
LAST = ("last batch", "not said", "left out", "equal updates", False)
OTHER = ("last batch", "a smaller batch", "left out", "equal updates", False)


def test_a_row_holds_for_the_variants_that_its_patterns_fit_and_the_suite_fills_it(read):
    found = read()
    assert found["net"] == found["net_large"] == [LOSS, LAST]
    assert found["net_small"] == [LAST]
    assert found["other"] == [LAST, OTHER]


@pytest.mark.parametrize(
    "old,new,message",
    [
        ('"net*", "!net_small"', '"net*", "!nets_small"', "deviation 1 is of '!nets_small'"),
        ('"net*", "!net_small"', '"met*"', "'met.', which fits none .*: net, net_small"),
        ('reason = "c"', "", "deviation 1: .*missing .*'reason'"),
        ('field = "loss"', "", "deviation 1: .*missing .*'field'"),
        ('field = "last batch"', 'field = "last"', "deviation 2: .*'paper', 'here', and 'reason'"),
        ("departs", "depart", "deviation 1: .*'depart'"),
        ("departs = true", "departs = 1", "deviation 1: .*departs is 1, which is no bool"),
        ("[[deviation]]", "[[deviations]]", "keys other than deviation: deviations"),
        ("[[deviation]]", "[[deviation", "cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_file(read, old, new, message):
    with pytest.raises(RunError, match=message) as error:
        read(OWN.replace(old, new, 1))
    assert "deviations.toml" in str(error.value)


def test_a_paper_needs_the_file_and_its_recipe_is_otherwise_the_same(tmp_path):
    (tmp_path / "deviations.toml").write_text(SUITE)
    folder = tmp_path / "paper"
    with pytest.raises(RunError, match=r"paper.deviations\.toml cannot be read"):
        add_deviations({"net": RECIPE}, folder)
    folder.mkdir()
    (folder / "deviations.toml").write_text("")
    assert add_deviations({"net": RECIPE}, folder) == {"net": RECIPE}
