import dataclasses
import json
import pathlib
import re
import statistics
import tomllib

import pytest

import reproductions
from common.errors import RunError, UsageError
from common.recipes.serialization import describe_recipe
from launch.report import curves, measurements, records, report
from launch.report.figures import figures
from launch.report.papers import Paper, read_oracles, read_papers
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


def test_a_run_says_on_what_it_ran_and_how_fast(write, tmp_path):
    folder = toy.write_run(tmp_path / "a")
    assert "| 1 x cpu | 123.4 |" in write(folder)
    file = tmp_path / "a" / "run.json"
    record = json.loads(file.read_text()) | {"peak_bytes": 3 * 2**30}
    gpu = {"gpu": "NVIDIA H200", "driver": "570.1", "cuda": "12.9", "cudnn": "9"}
    record["sessions"][0] |= {"platform": "gpu", "hardware": {"processor": "Xeon"} | gpu}
    file.write_text(json.dumps(record))
    devices = "1 x gpu, NVIDIA H200, driver 570.1, CUDA 12.9, cuDNN 9, at most 3,072 MiB"
    assert f"| {devices} | 123.4 |" in write(folder)


SHRUNK = {"name": "toys/1.0.0", "shorter_side": 256}


@pytest.mark.parametrize(
    ("changed", "setting", "label"),
    [
        ({"settings": ["epochs=8"]}, "mnist-8ep", "epochs 8"),
        ({"data": SHRUNK}, "mnist-changed", "data shrunk once to a shorter side of 256 pixels"),
        ({"recipe": {"data": "mnist", "epochs": 1}}, "mnist-earlier-", "an earlier recipe"),
        (
            {
                "recipe": {"data": "cifar10", "epochs": 20},
                "overrides": [{"field": "data", "old": "mnist", "new": "cifar10 (10 classes)"}],
            },
            "cifar10-changed",
            "data cifar10",
        ),
    ],
)
def test_a_changed_run_never_counts_as_the_papers(write, tmp_path, changed, setting, label):
    text = write(toy.write_run(tmp_path / "a", **changed))
    assert "not run" in line_of(text, "Table 1")
    assert f"(../settings.md#{setting}" in line_of(text, "0.93 %")
    explained = (tmp_path / "reproductions" / "settings.md").read_text()
    assert re.search(rf"\*\*{setting}\w*\*\*: {label}", explained)
    assert "not the paper's experiment" in text


def test_the_recipes_own_deviations_do_not_set_a_run_apart(write, tmp_path):
    assert toy.RECIPE.deviations
    text = write(toy.write_run(tmp_path / "a"))
    assert "not the paper's experiment" not in text


def test_a_row_says_what_it_departs_from_and_not_what_is_left_open(write, tmp_path):
    text = write(toy.write_run(tmp_path / "a"))
    departs = "loss: c (stated: d)"
    assert line_of(text, "Table 1").endswith(f"| {departs} |")
    top = (tmp_path / "results.md").read_text()
    assert line_of(top, "0.93 %").endswith("| agrees | d1 |")
    assert f"* **d1** {departs}\n" in top


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
    assert line_of(top, "0.90 %").endswith("| d1, precision mixed_bfloat16 |")
    assert line_of(top, "1.00 %").endswith("| d1 |")


def test_published_weights_stand_apart_with_how_they_were_selected():
    about = {c.variant: c for c in Paper("resnet_cifar").expected.result}
    text = report.RESULTS.read_text()
    table = text.partition("## Published weights, tested again")[2]
    table = table.partition("## Every network")[0]
    for name in ("akamaster_resnet20", "akamaster_resnet32"):
        assert about[name].selected == "on this test set, by their author"
        row = line_of(table, f"[{name}]")
        assert row.endswith(f"| {about[name].selected} |")
        assert f"* {name}: {about[name].source}; {about[name].note}.\n" in table
    fusions = (reproductions.folder("ilsvrc2016") / "results.md").read_text()
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
    assert "(curves.svg)" in (paper / "results.md").read_text()


def test_results_md_says_what_was_measured_and_what_was_not(write, tmp_path):
    own = write(toy.write_run(tmp_path / "a", error=0.93))
    text = (tmp_path / "results.md").read_text()
    assert "1 of 2 recipes were not trained as a whole" in text
    assert "`python -m launch toy_small`, 3.6e9 MAC (" in own
    assert text.partition("| --- |")[0].count("\n") < 10  # the table is on the first screen
    line = line_of(text, "0.93 % (1 run")
    assert line.startswith("| [toy](reproductions/toy/results.md) | mnist, test | single |")
    assert "| 0.95 % | agrees |" in line
    own = write(toy.write_run(tmp_path / "b", error=0.9, settings=["epochs=8"]))
    text = (tmp_path / "results.md").read_text()
    assert "1 more measurements are of changed" in text
    assert "0.90 %" not in text
    assert "| [mnist-8ep](../settings.md#mnist-8ep) |" in line_of(own, "0.90 %")
    settings = (tmp_path / "reproductions" / "settings.md").read_text()
    assert "**mnist-8ep**: epochs 8. Of [toy](toy/results.md)." in settings


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


def data_of(name):
    return {"recipe": describe_recipe(dataclasses.replace(toy.RECIPE, data=name))}


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (data_of("sample"), "its images are synthetic (sample)"),
        (data_of("folder:/home/me/photos"), "its images are a folder of your own"),
        ({"settings": ["epochs=4"]}, "it has 4 epochs by --set, fewer than 5"),
    ],
)
def test_toy_runs_are_left_out_unless_asked_for(paper, tmp_path, capsys, run, why):
    folder = toy.write_run(tmp_path / "a", history=toy.history(3), **run)
    results = tmp_path / "results.md"
    report.run([], results)
    capsys.readouterr()
    report.run([folder], results)
    said = f"{folder}: left out: {why}; --record_all records it.\nNothing changed.\n"
    assert capsys.readouterr().out == said
    assert not (paper / "reproduced.toml").exists() and not (paper / "curves.toml").exists()
    report.run([folder], results, record_all=True)
    assert f"{folder}: recorded.\n" in capsys.readouterr().out
    assert len(rows_in(paper)) == 1


def test_five_epochs_and_short_recipes_are_experiments(paper, tmp_path, monkeypatch):
    rows = [{"data": "mnist", "deviations": ["epochs 5"], "epochs": 5}]
    rows += [{"data": "mnist", "deviations": [], "epochs": 3}]
    for row in rows:
        monkeypatch.setattr(records, "rows_of", lambda folder, row=row: ("toy", [row]))
        assert records.find_toys(["a"]) == {}


def test_report_names_the_files_that_it_changed(paper, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = toy.write_run(tmp_path / "a", history=toy.history(3))
    report.run([], tmp_path / "results.md")
    before = {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
    capsys.readouterr()
    report.run([folder], tmp_path / "results.md")
    changed = {
        str(f.relative_to(tmp_path))
        for f in tmp_path.rglob("*")
        if f.is_file() and before.get(f) != f.read_bytes()
    }
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [f"{folder}: recorded.", "Changed:"]
    assert {line.strip() for line in said[2:]} == changed >= {"reproductions/toy/curves.svg"}
    report.run([folder], tmp_path / "results.md")
    assert capsys.readouterr().out.splitlines()[1:] == ["Nothing changed."]


def test_a_folder_without_a_run_is_refused(write, tmp_path):
    with pytest.raises(UsageError, match="no run's folder"):
        write(str(tmp_path))


def test_what_report_writes_is_up_to_date():
    papers = read_papers()
    for file, text in report.texts(papers).items():
        assert file.read_text() == text, "run python -m launch report"
    for picture in figures.pictures(papers):
        assert picture.is_current(), "run python -m launch report"


def test_every_measured_row_is_on_its_papers_page():
    papers = read_papers()
    assert sum(len(paper.measured) for paper in papers.values()) > 50
    for name, paper in papers.items():
        text = (reproductions.folder(name) / "results.md").read_text()
        for one in paper.measured:
            row = [line for line in text.splitlines() if one.error("top1_error") in line]
            words = one.variant, f"{one.data}, {one.split}", one.views
            assert any(f"| {' | '.join(words)} | " in line for line in row)


def cells_of(text):
    """The cells of all tables, as they are shown: without the addresses of links."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [cell for line in lines for cell in line.strip("| ").split(" | ")]
    return [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", cell) for cell in cells]


def test_the_first_screen_of_both_pages_is_the_table_of_results():
    papers = read_papers()
    beside = [one for paper in papers.values() for _, one in paper.beside()]
    readme = report.RESULTS.with_name("README.md").read_text()
    block = readme.partition("<!-- results -->")[2].partition("<!-- /results -->")[0]
    for text in (report.RESULTS.read_text(), block):
        rows = [line for line in text.splitlines()[:30] if re.match(r"\| \[", line)]
        found = [row.split(" | ")[3] for row in rows[: len(beside)]]
        assert found == [one.error("top1_error") for one in beside]
        assert {row.split(" | ")[5] for row in rows[: len(beside)]} == {"agrees", "lower", "higher"}
    for text in (report.RESULTS.read_text(), block):
        assert max(map(len, cells_of(text))) <= 60


@pytest.mark.parametrize(
    ("error", "verdict"), [(0.9, "agrees"), (1.3, "higher"), (0.65, "lower"), (1.2, "agrees")]
)
def test_a_verdict_is_of_two_runs_on_so_many_images(write, tmp_path, error, verdict):
    write(toy.write_run(tmp_path / "a", error=error))
    line = line_of((tmp_path / "results.md").read_text(), f"{error:.2f} %")
    assert f"| 0.95 % | {verdict} |" in line


def test_pictures_are_small():
    sizes = [p.file.stat().st_size for p in figures.pictures(read_papers())]
    assert max(sizes) < 200_000 and sum(sizes) < 1_000_000


def test_the_list_of_oracles_is_that_of_the_tests():
    listed = read_oracles()
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


def test_settings_that_differ_have_different_names(write, paper, tmp_path):
    rates = [f"optimizer.learning_rate={rate}" for rate in (0.5, 0.25)]
    runs = [
        toy.write_run(tmp_path / rate, settings=["epochs=8", rate], error=error)
        for rate, error in zip(rates, (1.5, 2.5), strict=True)
    ]
    text = write(*runs)
    explained = (tmp_path / "reproductions" / "settings.md").read_text()
    for rate, error in (("0.5", "1.50 %"), ("0.25", "2.50 %")):
        (name,) = re.findall(r"\[(mnist-8ep-[12])\]", line_of(text, error))
        assert f"**{name}**: epochs 8; optimizer.learning_rate {rate}. Of" in explained


def test_links_of_the_written_pages_lead_somewhere():
    pages = report.texts(read_papers())
    anchors = {file: set(re.findall(r'<a id="(.*?)"', text)) for file, text in pages.items()}
    for file, text in pages.items():
        for address in re.findall(r"\]\(([^)\s]+)\)", text):
            place, _, anchor = address.partition("#")
            if "://" in address or not place:
                continue
            target = (file.parent / place).resolve()
            assert target.exists(), f"{file}: {address}"
            if anchor and target.suffix == ".md":
                known = anchors.get(target, set()) | headings_of(target)
                assert anchor in known, f"{file}: {address}"


def headings_of(file):
    """The anchors that GitHub gives the headings of a page."""
    heads = re.findall(r"^#+ (.*)$", file.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_measured_rows_need_their_fields(write, paper, tmp_path):
    assert records.file("toy").read() == []
    write(toy.write_run(tmp_path / "a"))
    file = paper / "reproduced.toml"
    file.write_text(file.read_text() + 'extra = "kept"\n')
    (row,) = records.file("toy").read()
    assert row["extra"] == "kept"
    for name in ("variant", "top1_error", "commit", "versions"):
        file.write_text("[[run]]\n" + "".join(f'{key} = "x"\n' for key in row if key != name))
        with pytest.raises(RunError, match=f"reproduced.toml: run 1 lacks {name}"):
            records.file("toy").read()
