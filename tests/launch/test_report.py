import pathlib
import statistics
import tomllib

import pytest

import reproductions
from common.errors import RunError, UsageError
from launch.report import curves, measurements, report
from launch.report.figures import figures
from launch.report.paper_results import Paper
from launch.report.results_page import oracles
from launch.settings.overrides import apply
from tests.launch import toy

TESTS = pathlib.Path(__file__).parents[1]


@pytest.fixture
def paper(tmp_path, monkeypatch):
    return toy.make(tmp_path, monkeypatch)


@pytest.fixture
def write(paper, tmp_path):
    """Reports runs; the text of the paper's own results.md."""

    def run(*folders):
        assert report.run(list(folders), tmp_path / "results.md") == 0
        return (paper / "results.md").read_text()

    return run


def line_of(text, *words):
    (line,) = [
        line
        for line in text.splitlines()
        if line.startswith("|") and all(word in line for word in words)
    ]
    return line


def rows_in(paper):
    return tomllib.loads((paper / "reproduced.toml").read_text())["run"]


def test_what_was_not_run_says_so_with_its_cost(write):
    # 3 x 2,000 MACs x 60,000 images x 20 epochs
    assert "not run: 7.2e9 MAC" in line_of(write(), "Table 1")


def test_a_run_stands_beside_the_papers_number(write, tmp_path):
    text = write(toy.write_run(tmp_path / "a", error=0.93))
    line = line_of(text, "Table 1")
    assert "0.95 %" in line and "0.93 % (1 run" in line
    assert "10,000 images" in line


def test_seeds_are_taken_together(write, tmp_path):
    errors = {0: 0.90, 1: 0.94, 2: 1.01}
    runs = [
        toy.write_run(tmp_path / str(seed), seed=seed, error=error)
        for seed, error in errors.items()
    ]
    spread = statistics.stdev(errors.values())
    line = line_of(write(*runs), "Table 1")
    assert f"0.95 ± {spread:.2f} % (3 seeds)" in line


def test_another_view_is_not_compared(write, tmp_path):
    text = write(toy.write_run(tmp_path / "a", view="ten_crop"))
    assert "not run" in line_of(text, "Table 1")
    assert "0.93 %" in line_of(text, "Table 2")


SHRUNK = {"name": "toys/1.0.0", "shorter_side": 256}


@pytest.mark.parametrize(
    ("changed", "label"),
    [
        ({"settings": ["epochs=2"]}, "epochs 2"),
        ({"data": SHRUNK}, "data shrunk once to a shorter side of 256 pixels"),
        ({"recipe": {"data": "mnist", "epochs": 1}}, "an earlier recipe"),
        (
            {
                "recipe": {"data": "cifar10", "epochs": 20},
                "overrides": [{"field": "data", "old": "mnist", "new": "cifar10 (10 classes)"}],
            },
            "data cifar10",
        ),
    ],
)
def test_a_changed_run_never_counts_as_the_papers(write, tmp_path, changed, label):
    text = write(toy.write_run(tmp_path / "a", **changed))
    assert "not run" in line_of(text, "Table 1")
    assert "0.93 %" in line_of(text, label)
    assert "not the paper's experiment" in text


def test_the_recipes_own_deviations_do_not_set_a_run_apart(write, tmp_path):
    assert toy.RECIPE.deviations
    text = write(toy.write_run(tmp_path / "a"))
    assert "not the paper's experiment" not in text


def test_a_row_says_what_it_departs_from_and_not_what_is_left_open(write, tmp_path):
    text = write(toy.write_run(tmp_path / "a"))
    departs = "loss: c (stated: d)"
    assert line_of(text, "Table 1").endswith(f"| {departs} |")
    (top, *_) = (tmp_path / "results.md").read_text().split('<a id="')
    assert line_of(top, "0.93 %").endswith(f"| {departs} |")


def test_another_precision_stands_beside_the_papers_number_with_a_mark(write, tmp_path):
    runs = [
        toy.write_run(tmp_path / "a", error=0.9, precision="mixed_bfloat16"),
        toy.write_run(tmp_path / "b", error=1.0, precision="float32"),
    ]
    text = write(*runs)
    first, second = [x for x in text.splitlines() if "| Table 1 |" in x]
    assert "1.00 % (1 run" in first and "precision" not in first
    assert "0.90 % (1 run" in second
    assert second.endswith("; precision mixed_bfloat16 |")
    assert "not the paper's experiment" not in text
    top = (tmp_path / "results.md").read_text()
    assert "1 of 2 recipes were not trained as a whole, and 2 of 3" in top


def test_published_weights_stand_apart_with_how_they_were_selected():
    about = {c.variant: c for c in Paper("resnet_cifar").expected.result}
    text = report.RESULTS.read_text()
    table = text.partition("**Published weights, tested again")[2]
    table = table.partition("**Not run**")[0]
    for name in ("akamaster_resnet20", "akamaster_resnet32"):
        assert about[name].selected == "on this test set, by their author"
        row = line_of(table, f"[{name}]")
        assert row.endswith(f"| {about[name].selected} |")
    fusions = text.partition('<a id="fusion">')[2]
    line = line_of(fusions, "members selected on this", "dense_36")
    assert "akamaster_resnet20," in line


def test_the_same_run_again_replaces_its_row(write, paper, tmp_path):
    write(toy.write_run(tmp_path / "a", error=2.0))
    write(toy.write_run(tmp_path / "b", error=1.0))
    assert [row["top1_error"] for row in rows_in(paper)] == [1.0]


def test_a_run_on_shrunk_images_replaces_no_other(write, paper, tmp_path):
    write(toy.write_run(tmp_path / "a", error=2.0))
    write(toy.write_run(tmp_path / "b", error=1.0, data=SHRUNK))
    assert {row["top1_error"] for row in rows_in(paper)} == {1.0, 2.0}


def test_rows_keep_what_is_needed_to_run_again(write, paper, tmp_path):
    write(toy.write_run(tmp_path / "a", seed=3))
    (row,) = rows_in(paper)
    assert row["command"] == "python -m launch toy --seed 3"
    assert (row["commit"], row["seed"]) == ("abc", 3)
    assert row["read"] == "toys/1.0.0"
    assert row["versions"] == ["python 3.11", "keras 3.15"]


def test_reporting_twice_gives_the_same_bytes(write, paper, tmp_path):
    runs = [
        toy.write_run(tmp_path / name, seed=seed, history=toy.history(3))
        for name, seed in (("b", 1), ("a", 0))
    ]
    write(*runs)
    names = ["reproduced.toml", "curves.toml", "curves.svg", "README.md"]
    files = [paper / name for name in (*names, "results.md")]
    files.append(tmp_path / "results.md")
    before = [file.read_bytes() for file in files]
    assert [row["seed"] for row in rows_in(paper)] == [0, 1]
    write(*reversed(runs))
    assert [file.read_bytes() for file in files] == before
    (paper / "curves.svg").unlink()  # what has not changed is not drawn
    write()
    assert [file.read_bytes() for file in files] == before


def test_a_runs_curve_is_kept_and_drawn_anew_when_it_changes(write, paper, tmp_path):
    write(toy.write_run(tmp_path / "a", history=toy.history(3)))
    first = (paper / "curves.svg").read_text()
    (kept,) = curves.read("toy")
    assert kept.test_error == (2.0, 1.0, 0.667)
    assert kept.train_error == (4.0, 2.0, 1.333)
    assert (kept.view, kept.split, kept.total) == ("single", "test", 20)
    write(toy.write_run(tmp_path / "a", history=toy.history(4)))
    assert (paper / "curves.svg").read_text() != first
    assert len(curves.read("toy")) == 1
    write(toy.write_run(tmp_path / "b", seed=1, history=toy.history(3)))
    assert [curve.seed for curve in curves.read("toy")] == [0, 1]
    assert "(reproductions/toy/curves.svg)" in (tmp_path / "results.md").read_text()


def test_results_md_says_what_was_measured_and_what_was_not(write, tmp_path):
    write(toy.write_run(tmp_path / "a", error=0.93))
    text = (tmp_path / "results.md").read_text()
    assert "1 of 2 recipes were not trained as a whole" in text
    assert "`python -m launch toy_small`, 3.6e9 MAC (" in text
    top = text.partition("<a id=")[0]
    assert "| 0.93 % (1 run" in top and "| 0.95 % |" in top
    write(toy.write_run(tmp_path / "b", error=0.9, settings=["epochs=2"]))
    text = (tmp_path / "results.md").read_text()
    assert "1 more measurements are of changed" in text
    assert "| not comparable | epochs 2 |" in text


def test_the_readme_gets_the_recipes_deviations(write, paper):
    write()
    text = (paper / "README.md").read_text()
    assert "old" not in text
    assert "| **loss** | a \\| b | b | unsaid | toy |" in text
    assert text.startswith("# Toy\n\nBefore.\n")
    assert text.endswith("<!-- /deviations -->\nAfter.\n")


@pytest.mark.parametrize("text", ["", "# Toy\n", "<!-- /deviations -->\n<!-- deviations -->\n"])
def test_a_readme_without_the_place_is_an_error(write, paper, text):
    (paper / "README.md").write_text(text)
    with pytest.raises(RunError, match="<!-- deviations -->"):
        write()


@pytest.mark.parametrize("more", [{"status": "running"}, {"results": []}])
def test_an_unfinished_run_is_refused_and_nothing_written(write, paper, tmp_path, more):
    good = toy.write_run(tmp_path / "good")
    bad = toy.write_run(tmp_path / "bad", seed=1, **more)
    with pytest.raises(RunError, match="not finished"):
        write(good, bad)
    assert not (paper / "reproduced.toml").exists()


def test_a_folder_without_a_run_is_refused(write, tmp_path):
    with pytest.raises(UsageError, match="no run's folder"):
        write(str(tmp_path))


def test_what_report_writes_is_up_to_date():
    for file, text in report.texts().items():
        assert file.read_text() == text, "run python -m launch report"
    for picture in figures.pictures():
        assert picture.is_current(), "run python -m launch report"


def test_every_measured_row_is_in_results_md():
    text = report.RESULTS.read_text()
    found = [one for name in reproductions.names() for one in Paper(name).measured]
    assert found
    for one in found:
        row = f"{one.data}, {one.split}, {one.views} | "
        assert row + one.error("top1_error") in text


def test_pictures_are_small():
    sizes = [p.file.stat().st_size for p in figures.pictures()]
    assert max(sizes) < 200_000 and sum(sizes) < 1_000_000


def test_the_list_of_oracles_is_that_of_the_tests():
    listed = oracles()
    files = {f.stem for f in (TESTS / "oracles").glob("*.npz")}
    assert {one["golden"] for one in listed if "golden" in one} == files
    known = {v for p in reproductions.names() for v in Paper(p).recipes}
    for one in listed:
        test = (TESTS / "reproductions" / one["test"]).read_text()
        assert one.get("golden", one["implementation"]) in test
        assert set(one["variants"]) <= known


def test_an_edited_recipe_no_longer_counts():
    row = {"deviations": [], "precision": "float32"}
    old = row | {"recipe": measurements.recipe_hash(toy.RECIPE)}
    edited = apply(toy.RECIPE, ["epochs=19"])
    assert measurements.changes_of(old, toy.RECIPE) == ()
    assert "earlier recipe" in measurements.changes_of(old, edited)[0]
