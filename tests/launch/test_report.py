"""From finished runs to rows, and from rows to pages."""

import dataclasses
import json
import pathlib
import re
import statistics
import tomllib

import pytest

import reproductions
from common.data import catalog
from common.errors import RunError, UsageError
from common.papers.expected import read_expected
from common.recipes.serialization import describe_recipe
from common.training.run_record import list_changes
from launch.report import curves, measurements, records, report
from launch.report.figures import figures, training_curves
from launch.report.papers import Paper, read_oracles, read_papers
from launch.session.results_table import results_table
from launch.settings.overrides import apply, with_data
from tests.launch import toy

TESTS = pathlib.Path(__file__).parents[1]
NOT_THE_PAPERS = "not the paper's experiment"


paper = toy.paper


@pytest.fixture
def write(paper, tmp_path):
    """Reports runs, each given as write_run's arguments; the text of the paper's own results.md."""

    def run(*runs, record_all=False):
        folders = [toy.write_run(tmp_path / str(n), **one) for n, one in enumerate(runs)]
        assert report.run(folders, tmp_path / "results.md", record_all=record_all) == 0
        return (paper / "results.md").read_text()

    run.top = lambda: (tmp_path / "results.md").read_text()
    run.settings = lambda: (tmp_path / "reproductions" / "settings.md").read_text()
    run.rows = lambda: tomllib.loads((paper / "reproduced.toml").read_text())["run"]
    return run


@pytest.fixture(scope="module")
def papers():
    return read_papers()


def line_of(text, *words):
    (line,) = [
        line
        for line in text.splitlines()
        if line.startswith("|") and all(word in line for word in words)
    ]
    return line


def test_a_run_stands_beside_the_papers_number(write):
    # 3 x 2,000 MACs x 60,000 images x 20 epochs
    assert "not run: 7.2e9 MAC" in line_of(write(), "Table 1")
    assert toy.RECIPE.deviations  # which do not set it apart
    text, top = write({"seed": 3, "error": 0.93}), write.top()
    line = line_of(text, "Table 1")
    assert "0.95 %" in line and "0.93 % (1 run" in line and "10,000 images" in line
    assert NOT_THE_PAPERS not in text and "| 1 x cpu | 123.4 |" in text
    departs = "loss: c (stated: d)"  # and not what is left open
    assert line.endswith(f"| {departs} |") and f"* **d1** {departs}\n" in top
    assert "`python -m launch toy_small`, 3.6e9 MAC (" in text
    assert "1 of 2 recipes were not trained as a whole" in top
    assert top.partition("| --- |")[0].count("\n") < 10  # the table is on the first screen
    line = line_of(top, "0.93 % (1 run")
    assert line.startswith("| [toy](reproductions/toy/results.md) | mnist, test | single |")
    assert line.endswith("| 0.95 % | agrees | d1 |")
    (row,) = write.rows()  # what is needed to run it again
    assert row["command"] == "python -m launch toy --seed 3"
    assert (row["commit"], row["seed"], row["read"]) == ("abc", 3, "toys/1.0.0")
    assert row["versions"] == ["python 3.11", "keras 3.15"]


@pytest.mark.parametrize(
    ("fields", "images"),
    [({}, 60_000), ({"train_images": 15_000}, 15_000), ({"held_out": 20_000}, 40_000)],
)
def test_the_cost_is_of_the_images_that_are_trained_on(fields, images):
    recipe = dataclasses.replace(toy.RECIPE, **fields)
    assert measurements.training_macs(recipe, 2_000) == 3 * 2_000 * images * 20


def test_seeds_are_taken_together(write):
    errors = [0.90, 0.94, 1.01]
    text = write(*({"seed": seed, "error": error} for seed, error in enumerate(errors)))
    assert f"0.95 ± {statistics.stdev(errors):.2f} % (3 seeds)" in line_of(text, "Table 1")


def test_seeds_are_taken_together_in_whatever_order_the_same_was_set(write):
    settings = ("epochs=7", "healthy_after=2")
    text = write({"settings": settings}, {"settings": settings[::-1], "seed": 1, "error": 0.97})
    assert "0.95 ± 0.03 % (2 seeds)" in line_of(text, "mnist-7ep")
    assert write.settings().count("mnist-7ep**") == 1


def test_another_view_is_not_compared(write):
    text = write({"view": "ten_crop"})
    assert "not run" in line_of(text, "Table 1")
    assert "0.93 %" in line_of(text, "Table 2")


def test_a_run_says_on_what_it_ran_and_how_fast(write, tmp_path):
    toy.write_run(tmp_path / "0")
    record = json.loads((tmp_path / "0" / "run.json").read_text())
    gpu = {"gpu": "NVIDIA H200", "driver": "570.1", "cuda": "12.9", "cudnn": "9"}
    session = {"platform": "gpu", "hardware": {"processor": "Xeon"} | gpu}
    text = write({"peak_bytes": 3 * 2**30, "sessions": [record["sessions"][0] | session]})
    devices = "1 x gpu, NVIDIA H200, driver 570.1, CUDA 12.9, cuDNN 9, at most 3,072 MiB"
    assert f"| {devices} | 123.4 |" in text


SHRUNK = {"name": "toys/1.0.0", "shorter_side": 256}
PART = {"name": "toys/1.0.0", "splits": {"train": 600, "test": 10_000}}
CIFAR10 = {
    "recipe": {"data": "cifar10", "epochs": 20},
    "overrides": [{"field": "data", "old": "mnist", "new": "cifar10 (10 classes)"}],
}


@pytest.mark.parametrize(
    ("changed", "setting", "label"),
    [
        ({"settings": ["epochs=5"]}, "mnist-5ep", "epochs 5"),  # enough to be no toy
        ({"data": SHRUNK}, "mnist-changed", "data shrunk once to a shorter side of 256 pixels"),
        ({"data": PART}, "mnist-changed", "data another set of 600 \\+ 10,000 images"),
        # A recipe's own length is no toy's, however short.
        ({"recipe": {"data": "mnist", "epochs": 1}}, "mnist-earlier-", "an earlier recipe"),
        (CIFAR10, "cifar10-changed", "data cifar10"),
    ],
)
def test_a_changed_run_never_counts_as_the_papers(write, changed, setting, label):
    text = write(changed)
    assert "not run" in line_of(text, "Table 1") and NOT_THE_PAPERS in text
    assert f"(../settings.md#{setting}" in line_of(text, "0.93 %")
    explained = rf"\*\*{setting}\w*\*\*: {label}.*\. Of \[toy\]\(toy/results\.md\)\."
    assert re.search(explained, write.settings())
    assert "1 more measurements are of changed" in write.top() and "0.93 %" not in write.top()


def test_a_whole_set_and_what_a_recipe_takes_of_it_are_no_other_set(write, tmp_path):
    """Also with a split that nothing is trained or tested on; the run's own table goes by it."""
    for number, (settings, splits, rest) in enumerate(
        (
            ((), {"train": 60_000, "test": 10_000, "extra": 7}, []),
            ((), {"train": 59_990, "test": 10_000}, []),  # a few left out
            (("held_out=500",), {"train": 59_500, "held_out": 500}, ["held_out 500"]),
            (("train_images=500",), {"train": 500, "test": 10_000}, ["train_images 500"]),
            ((), PART["splits"], ["data another set of 600 + 10,000 images"]),
        )
    ):
        folder = toy.write_run(
            tmp_path / f"run{number}",
            settings=settings,
            data={"name": "toys/1.0.0", "splits": splits},
            **{"data_title": "MNIST", "epochs": 1 if number else 20, "train_seconds": 1},
        )
        record = json.loads((pathlib.Path(folder) / "run.json").read_text())
        assert list_changes(record) == rest
        table = "\n".join(results_table(record, [{"loss": 1.0, "epoch": record["epochs"]}]))
        length = "1 epoch" if number else "20 epochs"
        assert f"seed 0, {length}\n" in table and f"in {length};" in table
        assert ("0.95 %" in table) == (not rest) and ("not comparable" in table) == bool(rest)
        assert all(change.split()[-1] in table for change in rest)


def test_a_row_names_the_code_and_the_devices_of_every_session(write):
    """A later one may have trained a part only, or nothing."""

    def session(commit, version, platform):
        facts = {"started": "2026", "command": platform, "commit": commit, "devices": 1}
        return facts | {"versions": {"python": "3.11", "keras": version}, "platform": platform}

    told = [("abc", "3.14", "gpu"), ("def+changes", "3.15", "cpu"), ("def+changes", "3.15", "cpu")]
    write({"sessions": [session(*one) for one in told]})
    (row,) = write.rows()
    assert row["commit"] == "abc, def+changes" and row["devices"] == "1 x gpu; 1 x cpu"
    assert row["command"] == "gpu; then cpu"
    assert row["versions"] == ["python 3.11", "keras 3.14", "keras 3.15"] and row["sessions"] == 3


def test_a_run_that_went_another_way_keeps_no_other_runs_curve(write, paper):
    """Of the same recipe and seed: on images that were shrunk, or back at a checkpoint once."""
    recovered = [{"field": "recovered", "old": "in one go", "new": "once"}]
    write(
        {"history": toy.history(4)},
        {"history": toy.history(3), "data": SHRUNK},
        {"history": toy.history(2), "overrides": recovered},
    )
    kept = {curve.deviations: len(curve.loss) for curve in curves.read("toy")}
    shrunk = "data shrunk once to a shorter side of 256 pixels"
    assert kept == {(): 4, (shrunk,): 3, ("recovered once",): 2}
    panels = {p["title"]: p["paper"] for p in training_curves.show(read_papers()["toy"])}
    own = {title: numbers for title, numbers in panels.items() if "changed" not in title}
    assert own == {"toy on mnist": [0.95]} and len(panels) == 3
    assert all(panels[title] == [] for title in panels.keys() - own.keys())


def test_a_recorded_command_has_no_place_of_the_machine_in_it():
    begin = "python -m launch"
    for given, kept in (
        ("runs/toy --set epochs=3", "RUN --set epochs=3"),
        ("evaluate /d/runs/toy --views ten_crop", "evaluate RUN --views ten_crop"),
        ("toy --data_dir /d/x --workdir=/d/y --seed 3", "toy --seed 3"),
        ("evaluate toy --weights /d/w.weights.h5", "evaluate toy --weights RUN"),
    ):
        assert records.without_places(f"{begin} {given}") == f"{begin} {kept}"


def test_another_precision_stands_beside_the_papers_number_with_a_mark(write):
    text = write({"error": 0.9, "precision": "mixed_bfloat16"}, {"error": 1.0})
    first, second = [x for x in text.splitlines() if "| Table 1 |" in x]
    assert "1.00 % (1 run" in first and "precision" not in first
    assert "0.90 % (1 run" in second and second.endswith("; precision mixed_bfloat16 |")
    assert NOT_THE_PAPERS not in text
    assert "1 of 2 recipes were not trained as a whole, and 2 of 3" in write.top()
    assert line_of(write.top(), "0.90 %").endswith("| d1, precision mixed_bfloat16 |")
    assert line_of(write.top(), "1.00 %").endswith("| d1 |")


def test_other_peoples_numbers_are_not_called_the_papers(write, paper):
    other = (
        'rows = [\n  {variant = "toy", views = "single", top1_error = 0.5, source = "x/y, README"},'
    )
    text = toy.EXPECTED.replace("rows = [", other, 1)
    (paper / "expected.toml").write_text(text)
    write({"error": 0.93})
    assert "| 0.95 % | agrees |" in write.top()
    assert "| 0.5 % (x/y, README) | higher |" in write.top()
    for split, printed in (("test", [0.95]), ("train", [])):
        assert read_expected(paper).find_errors("toy", "mnist", split, "single") == printed
    toy_paper = read_papers()["toy"]
    said = measurements.status("toy", "mnist", toy_paper.expected, toy_paper.measured)
    assert said == "0.93 % (paper 0.95 %)"


def test_the_error_that_is_listed_is_no_training_error(papers):
    """Which `evaluate --split train` measures, and whose row comes before "validation"."""
    own = [
        measurements.Measurement(*("toy", "imagenette", split, "single", ()), rows=({name: error},))
        for split, name, error in (("train", "top1_error", 1.0), ("validation", "top1_error", 9.0))
    ]
    for data, where in (("imagenette", ""), ("mnist", " on imagenette")):
        said = measurements.status("toy", data, papers["lenet5"].expected, own)
        assert said == f"9.00 %{where} (no such number in the paper)"


def test_published_weights_stand_apart_with_how_they_were_selected(papers):
    about = {c.variant: c for c in papers["resnet_cifar"].expected.result}
    text = report.RESULTS.read_text()
    table = text.partition("## Published weights, tested again")[2]
    table = table.partition("## Every network")[0]
    for name in ("akamaster_resnet20", "akamaster_resnet32"):
        assert about[name].selected == "on this test set, by their author"
        assert line_of(table, f"[{name}]").endswith(f"| {about[name].selected} |")
        assert f"* {name}: {about[name].source}; {about[name].note}.\n" in table
    fusions = (reproductions.folder("ilsvrc2016") / "results.md").read_text()
    assert "akamaster_resnet20," in line_of(fusions, "members selected on this", "dense_36")


def test_the_same_run_again_replaces_its_row_and_no_other(write):
    write({"error": 2.0}, {"error": 3.0, "data": SHRUNK})
    write({"error": 1.0})
    assert {row["top1_error"] for row in write.rows()} == {1.0, 3.0}


def test_reporting_twice_gives_the_same_bytes_and_says_so(write, paper, tmp_path, capsys):
    runs = [{"seed": seed, "history": toy.history(3)} for seed in (1, 0)]
    write(*runs)
    names = ["reproduced.toml", "curves.toml", "curves.svg", "README.md", "results.md"]
    files = [tmp_path / "results.md", *(paper / name for name in names)]
    before = [file.read_bytes() for file in files]
    assert [row["seed"] for row in write.rows()] == [0, 1]
    capsys.readouterr()
    write(*reversed(runs))
    assert [file.read_bytes() for file in files] == before
    assert capsys.readouterr().out.endswith(": recorded.\nNothing changed.\n")
    (paper / "curves.svg").unlink()
    write()
    assert [file.read_bytes() for file in files] == before


def test_a_runs_curve_is_kept_and_drawn_anew_when_it_changes(write, paper):
    write({"history": toy.history(3)})
    first = (paper / "curves.svg").read_text()
    (kept,) = curves.read("toy")
    assert kept.test_error == (2.0, 1.0, 0.667) and kept.train_error == (4.0, 2.0, 1.333)
    assert (kept.view, kept.split, kept.total) == ("single", "test", 20)
    text = write({"history": toy.history(4)}, {"seed": 1, "history": toy.history(3)})
    assert (paper / "curves.svg").read_text() != first
    assert [(c.seed, len(c.loss)) for c in curves.read("toy")] == [(0, 4), (1, 3)]
    assert "(curves.svg)" in text


def test_the_readme_gets_the_recipes_deviations(write, paper):
    write()
    text = (paper / "README.md").read_text()
    assert "old" not in text
    assert "| **loss** | a \\| b | b | unsaid | toy |" in text
    assert text.startswith("# Toy\n\nBefore.\n")
    assert text.endswith("<!-- /deviations -->\nAfter.\n")
    for text in ("", "# Toy\n", "<!-- /deviations -->\n<!-- deviations -->\n"):
        (paper / "README.md").write_text(text)
        with pytest.raises(RunError, match="<!-- deviations -->"):
            write()


@pytest.mark.parametrize("more", [{"status": "running"}, {"results": []}])
def test_an_unfinished_run_is_refused_and_nothing_written(write, paper, tmp_path, more):
    with pytest.raises(RunError, match="not finished"):
        write({}, {"seed": 1, **more})
    assert not (paper / "reproduced.toml").exists()
    with pytest.raises(UsageError, match="no run's folder"):
        report.run([str(tmp_path)], tmp_path / "results.md")


def test_a_paper_that_was_reported_before_is_never_dropped(
    write, paper, tmp_path, monkeypatch, capsys
):
    """One that is new is only said to be left out."""
    write()
    monkeypatch.setattr("reproductions.faults", lambda: {"other": "other/recipe.py is missing."})
    (paper.parent / "other").mkdir()
    write()
    assert "other is left out: other/recipe.py is missing." in capsys.readouterr().err
    (paper.parent / "other" / "results.md").write_text("Measured.")
    (tmp_path / "results.md").write_text("before")
    with pytest.raises(RunError, match="other was reported before.*other/recipe.py is missing"):
        write({})
    assert write.top() == "before" and not (paper / "reproduced.toml").exists()


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
def test_toy_runs_are_left_out_unless_asked_for(write, paper, tmp_path, capsys, run, why):
    run = {"history": toy.history(3), **run}
    write()
    capsys.readouterr()
    write(run)
    said = f"{tmp_path / '0'}: left out: {why}; --record_all records it.\nNothing changed.\n"
    assert capsys.readouterr().out == said
    assert not any((paper / name).exists() for name in ("reproduced.toml", "curves.toml"))
    write(run, record_all=True)
    assert f"{tmp_path / '0'}: recorded.\n" in capsys.readouterr().out
    assert len(write.rows()) == 1


def test_report_names_the_files_that_it_changed(write, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write()
    toy.write_run(tmp_path / "0", history=toy.history(3))
    before = {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
    capsys.readouterr()
    write({"history": toy.history(3)})
    changed = {
        str(f.relative_to(tmp_path))
        for f in tmp_path.rglob("*")
        if f.is_file() and before.get(f) != f.read_bytes()
    }
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [f"{tmp_path / '0'}: recorded.", "Changed:"]
    assert {line.strip() for line in said[2:]} == changed >= {"reproductions/toy/curves.svg"}


def test_what_report_writes_is_up_to_date_and_small(papers):
    for file, text in report.texts(papers).items():
        assert file.read_text() == text, "run python -m launch report"
    pictures = figures.pictures(papers)
    assert all(one.is_current() for one in pictures), "run python -m launch report"
    sizes = [one.file.stat().st_size for one in pictures]
    assert max(sizes) < 200_000 and sum(sizes) < 1_000_000


def test_every_measured_row_is_on_its_papers_page(papers):
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


def test_the_first_screen_of_both_pages_is_the_table_of_results(papers):
    beside = [one for paper in papers.values() for _, one in paper.beside()]
    readme = report.RESULTS.with_name("README.md").read_text()
    block = readme.partition("<!-- results -->")[2].partition("<!-- /results -->")[0]
    whole = report.RESULTS.read_text()
    for text in (whole, block):
        top = text.splitlines()[: 10 + len(beside)]  # ten lines before the first
        rows = [line for line in top if re.match(r"\| \[", line)]
        found = [row.split(" | ")[3] for row in rows[: len(beside)]]
        errors = [one.error("top1_error") for one in beside]
        assert found == (errors if text is whole else [e for e in errors if e in found])
        assert len(found) >= min(len(beside), 10)
        assert {row.split(" | ")[5] for row in rows[: len(beside)]} == {"agrees", "lower", "higher"}
        assert max(map(len, cells_of(text))) <= 60


@pytest.mark.parametrize(
    ("error", "verdict"), [(0.9, "agrees"), (1.3, "higher"), (0.65, "lower"), (1.2, "agrees")]
)
def test_a_verdict_is_of_two_runs_on_so_many_images(write, error, verdict):
    write({"error": error})
    assert f"| 0.95 % | {verdict} |" in line_of(write.top(), f"{error:.2f} %")


def test_the_list_of_oracles_is_that_of_the_tests(papers):
    listed = read_oracles()
    files = {f.stem for f in (TESTS / "oracles").glob("*.npz")}
    assert {one["golden"] for one in listed if "golden" in one} == files
    known = {variant for paper in papers.values() for variant in paper.recipes}
    for one in listed:
        test = (TESTS / "reproductions" / one["test"]).read_text()
        assert one.get("golden", one["implementation"]) in test
        assert set(one["variants"]) <= known


def test_a_papers_other_data_set_is_no_change():
    """Wide ResNets, Sec. 3: CIFAR-100 by the same recipe. SVHN has another one."""
    variant = "cifar_wrn_16_8"
    own = reproductions.load("wide_resnet").RECIPES[variant]
    for data, changed in (("cifar10", False), ("cifar100", False), ("svhn", True)):
        run = with_data(own, catalog.find(data))
        assert len(run.overrides) == changed
        recipe = measurements.recipe_on("wide_resnet", variant, data)
        row = {"precision": "float32", "recipe": measurements.recipe_hash(run)}
        row["deviations"] = [f"data {one.new}" for one in run.overrides]
        assert measurements.changes_of(row, recipe) == tuple(row["deviations"])
        assert (recipe is None) == changed
        if recipe:
            (said,) = measurements.changes_of(row, apply(recipe, ["epochs=19"]))
            assert "earlier recipe" in said


def test_a_training_on_a_papers_other_data_set_is_not_that_on_its_own():
    paper = Paper("wide_resnet")
    one = measurements.Measurement("cifar_wrn_16_8", "cifar100", "test", "single", (), ({},))
    paper.measured = [one]
    assert "cifar_wrn_16_8" in paper.not_run()
    paper.measured = [dataclasses.replace(one, data="cifar10")]
    assert "cifar_wrn_16_8" not in paper.not_run()


def test_settings_that_differ_have_different_names(write):
    rates = {"0.5": 1.5, "0.25": 2.5}
    text = write(
        *(
            {"settings": ["epochs=8", f"optimizer.learning_rate={rate}"], "error": error}
            for rate, error in rates.items()
        )
    )
    for rate, error in rates.items():
        (name,) = re.findall(r"\[(mnist-8ep-[12])\]", line_of(text, f"{error:.2f} %"))
        said = f"**{name}**: epochs 8; optimizer.learning_rate {rate}. Of"
        assert said in write.settings()


def headings_of(file):
    """The anchors that GitHub gives the headings of a page."""
    heads = re.findall(r"^#+ (.*)$", file.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_links_of_the_written_pages_lead_somewhere(papers):
    pages = report.texts(papers)
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
