"""Comments beside values, read as where they are from."""

import textwrap

import pytest

import reproductions
from common.papers.sources import read_sources

FILE = """
    import dataclasses

    SIZE = 32  # Sec. 1
    # About no value.

    BASE = Recipe(
        epochs=90,  # Sec. 2
        size=SIZE,
        optimizer=Sgd(
            rate=0.1,  # Sec. 3
            momentum=0.9,  # ours
        ),
        # Sec. 4: two lines
        # of words
        noise=(),
        views=("single",),
    )
    LONGER = dataclasses.replace(BASE, epochs=180, noise=BASE.optimizer)


    def smaller(recipe):
        return dataclasses.replace(recipe, size=16)  # Sec. 5


    RECIPES = {
        "base": BASE,
        "longer": LONGER,
        "smaller": smaller(LONGER),
        **{name: BASE for name in ("a", "b")},
    }
    ALIKE = dict.fromkeys(("c", "d"), LONGER)
    COMMON = {"base": BASE}
    UNITED = {**COMMON, "e": Recipe(epochs=9)}  # Sec. 6
"""
OF_BASE = {
    "epochs": "Sec. 2",
    "size": "Sec. 1",
    "optimizer": "rate: Sec. 3; momentum: ours",
    "noise": "Sec. 4: two lines of words",
}


@pytest.fixture
def sources(tmp_path):
    path = tmp_path / "recipe.py"
    path.write_text(textwrap.dedent(FILE))
    return lambda variant, table="RECIPES": read_sources(path, table, variant)


def test_a_comment_is_of_the_value_that_it_stands_beside(sources):
    assert sources("base") == sources("a") == OF_BASE


def test_a_replaced_value_has_the_comment_of_its_replacement_alone(sources):
    longer = {k: v for k, v in OF_BASE.items() if k != "epochs"}
    longer["noise"] = OF_BASE["optimizer"]
    assert sources("longer") == sources("c", "ALIKE") == longer
    assert sources("smaller") == longer | {"size": "Sec. 5"}


def test_a_table_may_begin_with_another(sources):
    assert sources("e", "UNITED") == {"epochs": "Sec. 6"}


@pytest.mark.parametrize("paper", reproductions.names())
def test_every_papers_comments_are_found(paper):
    folder = reproductions.folder(paper)
    for variant, recipe in reproductions.load(paper).RECIPES.items():
        found = read_sources(folder / "recipe.py", "RECIPES", variant)
        assert found["optimizer"]
        assert set(found) <= set(vars(recipe))
        assert all(len(words) < 400 for words in found.values()), found
        if recipe.network:
            found = read_sources(folder / "forms.py", "FORMS", variant)
            assert set(found) <= set(vars(recipe.network))


def test_bvlcs_epochs_are_caffes_and_not_the_papers():
    file = reproductions.folder("alexnet") / "recipe.py"
    epochs = [
        read_sources(file, "RECIPES", variant)["epochs"] for variant in ("alexnet", "caffenet")
    ]
    assert epochs == ['Sec. 5: "roughly 90 cycles"', "Caffe: max_iter 450000"]
