"""What `evaluate` says and keeps of what is wrong where, and of a run by its folder alone."""

import csv
import dataclasses
import json
import os
import xml.etree.ElementTree as xml

import numpy as np
import pytest
from PIL import Image

from common.errors import RunError, UsageError
from common.evaluation.evaluator import Evaluator
from common.files import write_json
from launch.drawing import confusion_matrix
from launch.inference import evaluation, mistakes
from tests.launch import test_predict, test_run_settings
from tests.launch.flags import launch
from tests.launch.test_run_settings import folder_of

colours, run = test_run_settings.colours, test_run_settings.run
NAMES = tuple(test_predict.NAMES)  # red, green, blue
HERE = ("evaluated", "data_validation")
COUNTS = [[2, 0, 0], [0, 0, 2], [0, 0, 2]]  # the green ones are blue


@pytest.fixture
def green_is_blue(run, tmp_path):
    """A run whose data's green images are blue."""
    for place in tmp_path.glob("data/*/green/*"):
        Image.new("RGB", (40, 40), (10, 0, 240)).save(place)
    return run


def evaluate(*words, **given):
    return launch("evaluate", *words, **given)


def test_an_error_rate_says_which_class_is_all_wrong_and_the_runs_folder_has_it(
    green_is_blue, capsys
):
    folder = green_is_blue()
    assert evaluate(folder, views=["centre_crop"]) == 0
    said = capsys.readouterr().out
    assert "centre_crop: top-1 error 33.33 " in said
    rows = [line.split() for line in said.splitlines()[2:6]]
    assert rows[0] == ["class", "right", "error", "most", "often", "taken", "for"]
    assert rows[1] == ["green", "0", "of", "2", "100.0", "%", "blue", "(2)"]
    assert {row[0]: row[1:] for row in rows[2:]} == {
        "red": ["2", "of", "2", "0.0", "%"],
        "blue": ["2", "of", "2", "0.0", "%"],
    }
    place = folder.joinpath(*HERE)
    with open(place / "centre_crop_confusion.csv", newline="") as file:
        head, *rows = csv.reader(file)
    assert head[1:] == [row[0] for row in rows] == list(NAMES)
    assert [list(map(int, row[1:])) for row in rows] == COUNTS
    told = texts((place / "centre_crop_confusion.svg").read_text())
    assert told.count("2 of 2") == 2 and told.count("0 of 2") == 1  # of green
    assert str(place) in said


def test_xla_computes_the_same_errors_if_asked_for(green_is_blue, sheets, monkeypatch, capsys):
    made = []
    monkeypatch.setattr(
        evaluation, "Evaluator", lambda **given: made.append(Evaluator(**given)) or made[-1]
    )
    for words in ({}, {"jit_compile": True}):
        evaluate(green_is_blue(), views=["centre_crop"], **words)
        assert "centre_crop: top-1 error 33.33 " in capsys.readouterr().out
    assert [one.jit_compile for one in made] == [False, True]


def test_the_worst_images_are_shown_themselves(green_is_blue, sheets, monkeypatch):
    """By their place in the split's order, which is not that of the names."""
    monkeypatch.setattr(mistakes, "WORST_IMAGES", 2)
    evaluate(green_is_blue(), views=["centre_crop"])
    [(file, heading, entries, wrong)] = sheets
    assert file.name == "centre_crop_worst.png"
    assert "2 images with the highest loss; red: wrong" in heading
    names = sorted(name for name, _, _ in entries)
    assert names == [f"green/green_{number}.png" for number in range(2)]
    assert wrong == [0, 1]
    for _, picture, guesses in entries:
        assert picture.getpixel((0, 0)) == (10, 0, 240)
        assert [name for name, _ in guesses] == ["blue", "green, true"]
        assert guesses[0][1] > 0.99 > 0.01 > guesses[1][1]


def test_of_the_worst_images_only_wrong_ones_are_marked(green_is_blue, sheets):
    evaluate(green_is_blue(), views=["centre_crop"])
    [(_, _, entries, wrong)] = sheets
    marked = {name.split("/")[0] for place, (name, _, _) in enumerate(entries) if place in wrong}
    assert marked == {"green"} and len(entries) == 6


@pytest.fixture
def sheets(monkeypatch):
    """The contact sheets that are to be drawn, which takes a second each."""
    shown = []
    monkeypatch.setattr("launch.drawing.contact_sheet.write", lambda *sheet: shown.append(sheet))
    return shown


def test_it_is_kept_where_out_says_and_nothing_is_written_over(green_is_blue, tmp_path):
    folder, out = green_is_blue(), tmp_path / "kept"
    assert evaluate(folder, out=str(out)) == 0
    views = test_predict.COLOURS.views
    ends = ("confusion.csv", "confusion.svg", "worst.png")
    assert {f.name for f in out.iterdir()} == {f"{view}_{end}" for view in views for end in ends}
    assert Image.open(out / "ten_crop_worst.png").width > 1000
    assert not (folder / "evaluated").exists()
    with pytest.raises(UsageError, match="kept exists already"):
        evaluate(folder, out=str(out))


def test_what_is_no_result_of_the_run_is_not_kept_as_its_own(run, sheets, tmp_path, capsys):
    folder = run("views=ten_crop")
    changed = ["test_transforms.0.size=20", "test_transforms.1.size=20"]
    evaluate(folder, set=changed)
    assert "--out FOLDER keeps" in capsys.readouterr().out
    assert not (folder / "evaluated").exists()
    evaluate(folder, data=folder_of(tmp_path / "mine"))
    assert [f.name for f in (folder / "evaluated").iterdir()] == ["mine_validation"]
    assert len(sheets) == 1


def test_of_many_classes_the_worst_are_named(capsys):
    counts = np.diag(np.full(30, 9))
    for wrong in range(20):
        counts[wrong, wrong] -= wrong // 4
        counts[wrong, 29] += wrong // 4
    names = tuple(f"class{place}" for place in range(30))
    mistakes.show_classes(NAMES, np.array([[1, 0, 0], [0, 0, 0], [0, 0, 3]]))
    _, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    assert rows[-1] == ["green", "0", "of", "0"]  # of which there are no images
    counts_of_two = np.zeros((30, 30), int)
    counts_of_two[:2, 0] = 1
    mistakes.show_classes(names, counts_of_two)
    assert len(capsys.readouterr().out.splitlines()) == 3  # the others would be in the way
    mistakes.show_classes(names, counts)
    title, _, *rows = capsys.readouterr().out.splitlines()
    assert title == "The worst 10 of 30 classes:" and len(rows) == 10
    assert rows[0].split()[:6] == ["class16", "5", "of", "9", "44.4", "%"]


def texts(svg):
    return [one.text for one in xml.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("classes", [10, 100])
def test_a_picture_names_every_class_and_counts_every_large_cell(classes):
    rng = np.random.default_rng(classes)
    counts = rng.integers(0, 3, (classes, classes))
    counts[0] = 0
    names = [f"n<{place}>" for place in range(classes)]
    svg = confusion_matrix.draw("a & b", names, counts)
    assert {"viewBox", "width", "height"} & {*xml.fromstring(svg).keys()} == {"viewBox"}  # scales
    shown = texts(svg)
    assert "a & b" in shown and all(shown.count(name) == 2 for name in names)
    assert shown.count("no images") == 1
    assert [one for one in shown if one[:1].isdigit() and " of " in one] == [
        f"{counts[k, k]} of {counts[k].sum()}" for k in range(1, classes)
    ]
    in_cells = [int(one) for one in shown if one.isdigit()]
    assert in_cells == ([] if classes == 100 else counts[counts > 0].tolist())


def test_a_cell_is_the_darker_the_larger_its_share_of_the_row():
    right, wrong = confusion_matrix._colours(np.array([[0.9, 0.1], [0.5, 0.5]]))
    assert right[0].sum() < wrong[1].sum() < 3 * 255  # both blue
    assert right[0][2] > right[0][0] and right[1][0] > right[1][2]
    assert wrong[0].sum() < right[1].sum() < 2.6 * 255  # one of many is seen


def test_a_picture_takes_any_name():
    names = [
        "犬の写真",
        "a very long name of a class that goes on",
        "$x_1$",
        os.fsdecode(b"caf\xe9"),
    ]
    shown = texts(confusion_matrix.draw("any", names, np.eye(4, dtype=int)))
    assert {"犬の写真", "a very long name of a c…", "$x_1$", "caf?"} <= {*shown}


def test_of_very_many_classes_those_with_most_errors_are_drawn():
    counts = np.diag(np.full(400, 5))
    counts[np.arange(150), 399] = np.arange(150) // 30  # the first 30 are all right
    counts[149, 60] = 2
    names = [f"n{place}" for place in range(400)]
    shown = texts(confusion_matrix.draw("many", names, counts))
    assert "100 of 400 classes, those with most errors" in shown
    assert "n149" in shown and "n20" not in shown and confusion_matrix.OTHERS in shown
    assert shown.count("5 of 11") == 1  # n149


def test_a_runs_folder_is_enough(run, sheets, tmp_path, monkeypatch, capsys):
    """It knows its network, and where its images were, wherever one is."""
    folder, exported = run("views=centre_crop"), []
    record = json.loads((folder / "run.json").read_text())
    record["recipe"]["data"] = record["data"]["name"] = "folder:data"  # as it was typed
    record["sessions"] = [{"data_dir": str(tmp_path / "data")}]
    write_json(folder / "run.json", record)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert evaluate("../run") == 0
    said = capsys.readouterr()
    assert "Written into ../run" in said.out and not said.err
    photograph = test_predict.colour(tmp_path / "a.png", (250, 0, 0))
    assert launch("predict", "../run", photograph) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("red")
    monkeypatch.setattr("launch.inference.export.run", lambda *asked: exported.append(asked))
    launch("export", "../run", out="../model.tflite")
    [(network, *_)] = exported
    assert network.run.folder.resolve() == folder and network.experiment.variant == "colours"
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(RunError, match="no folder data"):
        evaluate("../run")
    assert f"in {tmp_path / 'data'}, which is gone: --data folder:PATH" in capsys.readouterr().err
    assert evaluate("../run", data=f"folder:{tmp_path / 'moved'}") == 0
    said = capsys.readouterr().out  # the same images, elsewhere
    assert "top-1 error 0.00" in said and "Written into ../run" in said


def test_prepared_data_are_where_the_training_found_them(colours, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "default"))
    places = {"here": tmp_path / "prepared", "gone": tmp_path / "gone", "old": None}
    places["here"].mkdir()
    for name, expected in (("here", "prepared"), ("gone", "default"), ("old", "default")):
        session = {} if name == "old" else {"data_dir": str(places[name])}
        test_predict.write_record(colours, test_predict.COLOURS, sessions=[session])
        found = test_run_settings.find("evaluate", colours, measures=True).experiment.data_dir
        assert found == tmp_path / expected
        given = test_run_settings.find("evaluate", colours, data_dir="/given").experiment.data_dir
        assert str(given) == "/given"
        said = capsys.readouterr().err
        assert said.count("which is gone: --data_dir") == (name == "gone"), name


def test_a_sample_lies_nowhere_and_is_never_gone(colours, tmp_path, capsys):
    recipe = dataclasses.replace(test_predict.COLOURS, data="sample")
    test_predict.write_record(colours, recipe, sessions=[{"data_dir": str(tmp_path / "no")}])
    test_run_settings.find("evaluate", colours, measures=True)
    assert capsys.readouterr().err == ""


def test_a_record_that_is_none_gets_a_sentence(run):
    folder = run()
    for text in ("[]", "{}", "{"):
        (folder / "run.json").write_text(text)
        with pytest.raises(RunError, match="run.json cannot be read"):
            evaluate(folder)
