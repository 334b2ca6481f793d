"""Weights that come with the code: `ship`, and commands without --weights."""

import dataclasses
import json
import re

import h5py
import numpy as np
import pytest
from PIL import Image, ImageDraw

import reproductions
from common.data import catalog
from common.data.statistics import load, needed, save
from common.data.transforms.pixels import SubtractMeanImage
from common.errors import RunError
from common.files import write_json
from common.recipes.serialization import recipe_hash
from common.training.run_record import ARITHMETIC
from launch.commands import ship
from launch.inference import evaluation
from launch.inference.network_inputs import read_class_names
from launch.report import records
from launch.settings.options import read_experiment
from launch.settings.overrides import apply
from launch.weights import run_weights, shipped
from launch.weights.bundled_weights import Network
from tests.common.data_fixtures import statistics_of
from tests.launch import test_predict
from tests.launch.flags import answer, launch

colours, here = test_predict.colours, test_predict.here
MEGABYTES = 1.5  # of a shipped run, at most
QUICK = ("lenet5",)  # to evaluate
SHIPPED = shipped.list_variants()
STROKES = {  # of a pen, in a field of 200 x 200 pixels
    "2": [(65, 75), (75, 50), (100, 42), (125, 52), (130, 78), (110, 110)]
    + [(65, 158), (140, 156)],
    "5": [(130, 42), (80, 42), (72, 92), (110, 88), (132, 115), (118, 150)] + [(70, 155)],
    "7": [(60, 45), (140, 45), (90, 160)],
}


def run_of(variant):
    """(paper, its present recipe, the shipped run)."""
    paper, _ = reproductions.find(variant)
    _, run = run_weights.locate(str(shipped.find_folder(paper, variant)))
    return paper, reproductions.load(paper).RECIPES[variant], run


@pytest.mark.parametrize("variant", SHIPPED)
def test_a_shipped_run_is_whole_small_and_of_the_papers_recipe(variant):
    paper, recipe, run = run_of(variant)
    files = {file.name: file.stat().st_size for file in run.folder.iterdir()}
    wanted = {run_weights.WEIGHTS, "run.json"}
    wanted |= {run_weights.STATISTICS} if needed(recipe) else set()
    assert files.keys() == wanted and sum(files.values()) < MEGABYTES * 1e6
    assert (run.record["paper"], run.record["variant"]) == (paper, variant)
    assert run.record["status"] == "finished"
    assert recipe_hash(run.record["recipe"]) == recipe_hash(recipe)
    assert run_weights.read_recipe(run, variant, recipe) == recipe
    assert len(run.record["class_names"]) == recipe.num_classes
    assert not needed(recipe) or load(run.folder / run_weights.STATISTICS)
    with h5py.File(run.folder / run_weights.WEIGHTS) as stored:
        assert "optimizer" not in stored
    model = reproductions.build_model(paper, variant)
    run_weights.load_weights(model, run.folder / run_weights.WEIGHTS, recipe)


@pytest.mark.parametrize("variant", SHIPPED)
def test_a_shipped_run_tells_how_it_was_made_and_on_no_machine(variant):
    record = run_of(variant)[2].record
    for session in record["sessions"]:
        how, typed = session["command"].split("python -m launch ")
        assert typed.startswith(variant)
        assert set(re.findall(r"(\S+)=\S+ ", how)) <= set(ARITHMETIC)
        assert re.fullmatch("[0-9a-f]{40}", session["commit"])
        assert {"tensorflow", "keras", "numpy"} <= session["versions"].keys()
        assert session["devices"] and session["platform"]
    assert not re.search(r"[\s\"=:]~?/\w", json.dumps(record))


@pytest.fixture
def command(here, tmp_path, monkeypatch, capsys):
    """(lines of stdout, stderr) of a command in a fresh working directory."""
    monkeypatch.chdir(tmp_path)

    def run(*words, data_dir):
        monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
        code, out, err = answer(capsys, *words)
        assert code == 0, err
        return out.splitlines(), err

    return run


@pytest.mark.parametrize(
    "variant",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.full) for name in SHIPPED],
)
def test_the_recorded_error_is_measured_again(variant, shared_data, command):
    """To the image, by the run's record and by the row in reproduced.toml."""
    paper, recipe, run = run_of(variant)
    out, err = command("evaluate", variant, data_dir=shared_data / "tfds")
    assert str(run.folder) in err and run.record["precision"] in err
    rows = {
        row["views"]: row
        for row in records.file(paper).read()
        if row["variant"] == variant
        and row["recipe"] == recipe_hash(recipe)
        and (row["seed"], row["precision"], row["deviations"])
        == (run.record["seed"], run.record["precision"], [])
    }
    recorded = {result["view"]: result for result in run.record["results"]}
    out = [line for line in out if "top-1 error" in line]
    assert [line.partition(":")[0] for line in out] == list(recipe.views)
    for view, line in zip(recipe.views, out, strict=True):
        error = float(re.search(r"top-1 error (\d+\.\d+) ", line)[1])
        assert "10,000 images" in line  # so two digits are to the image
        assert error == round(recorded[view]["top1_error"], 2)
        assert error == rows[view]["top1_error"]


def test_errors_on_other_images_than_those_of_the_tests(command, tmp_path):
    sample = ("lenet5", "--data", "sample", "--split", "train")
    (line, *_), _ = command("evaluate", *sample, data_dir=tmp_path)
    assert "1,437 images of UCI handwritten digits (sample), train" in line


def test_lenet5_reads_digits_without_any_data(command, tmp_path):
    """As drawn here with a pen: no folder of data, no --weights."""
    files = [tmp_path / f"{digit}.png" for digit in STROKES]
    for file, stroke in zip(files, STROKES.values(), strict=True):
        paper = Image.new("L", (200, 200), "white")
        ImageDraw.Draw(paper).line(stroke, "black", width=14, joint="curve")
        paper.save(file)
    before = set(tmp_path.iterdir())
    out, err = command("predict", "lenet5", *files, data_dir=tmp_path / "none")
    assert [line.split()[-1] for line in out[1::6]] == list(STROKES)
    assert "lenet5, seed" in err and err.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


def finished(folder, recipe=test_predict.COLOURS, **more):
    """Makes a finished run of the network of colours out of `folder`."""
    test_predict.write_record(folder, recipe, **{"seed": 3, "error": 50.0} | more)
    record = json.loads((folder / "run.json").read_text())
    record["sessions"][0] |= {
        "command": "python -m launch colours --workdir /there/run --seed 3",
        "data_dir": "/there/data",
        "reason": "RunError: /there/data is damaged",
    }
    record["results"][0] |= {
        "command": "python -m launch evaluate /there/run --out /there/wrong",
        "commit": "abc",
        "finished": record["finished"],
    }
    write_json(folder / "run.json", record)
    return folder


def ship_here(*folders):
    return launch("ship", *folders)


def predict_here(*photographs, **given):
    return launch("predict", "colours", *photographs, data_dir="/nowhere", **given)


def test_predict_takes_what_was_shipped(colours, tmp_path, capsys):
    """It answers as from the run, which is left as it was."""
    grow_an_optimizer(colours)
    before = {f.name: f.read_bytes() for f in finished(colours).iterdir()}
    photograph = test_predict.colour(tmp_path / "a.png", (0, 200, 10))
    assert predict_here(photograph, weights=str(colours)) == 0
    answer = capsys.readouterr().out
    assert ship_here(colours) == 0
    assert "seed 3, float32, top-1 error 50.00 %" in capsys.readouterr().out
    assert {f.name: f.read_bytes() for f in colours.iterdir()} == before
    assert predict_here(photograph) == 0
    said = capsys.readouterr()
    assert said.out == answer and "green" in answer
    assert "colours, seed 3, trained in float32, used here in" in said.err
    target = tmp_path / "trained" / "colours"
    assert (target / run_weights.WEIGHTS).stat().st_size < len(before[run_weights.WEIGHTS])
    record = json.loads((target / "run.json").read_text())
    assert "/there" not in json.dumps(record)
    [session], [result] = record["sessions"], record["results"]
    assert session["command"] == "python -m launch colours --seed 3"
    assert session["reason"] == "RunError" and result["top1_error"] == 50


def grow_an_optimizer(folder):
    import keras

    model = test_predict.build_model("colours", image_size=16, num_classes=3)
    model.optimizer = keras.optimizers.Adam()
    model.optimizer.build(model.trainable_variables)
    model.save_weights(folder / run_weights.WEIGHTS)


def test_the_mean_that_is_subtracted_goes_with_the_weights(colours, tmp_path, monkeypatch):
    recipe = dataclasses.replace(test_predict.COLOURS, normalize=SubtractMeanImage())
    monkeypatch.setitem(reproductions.load("").RECIPES, "colours", recipe)
    finished(colours, recipe)
    with pytest.raises(RunError, match="it has no statistics.npz"):
        ship_here(colours)
    statistics = statistics_of(np.ones((24, 24, 3), np.float32))
    save(statistics, colours / run_weights.STATISTICS)
    assert ship_here(colours) == 0
    kept = load(tmp_path / "trained" / "colours" / run_weights.STATISTICS)
    np.testing.assert_array_equal(kept.pixel_mean, statistics.pixel_mean)


SETTING = apply(test_predict.COLOURS, ["epochs=2"])
UNFIT = {
    "an unfinished run": ({"status": "running"}, "is not finished"),
    "another experiment": ({"recipe": SETTING}, "not the paper's .epochs 2"),
    "an older recipe": (
        {"recipe": dataclasses.replace(test_predict.COLOURS, epochs=2)},
        "recipe of colours has changed",
    ),
    "a large network": ({}, "final.weights.h5 has 0.0 MB"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_later_run_is_shipped_instead_and_what_is_unfit_replaces_nothing(
    name, colours, tmp_path, monkeypatch
):
    assert ship_here(finished(colours, seed=2)) == 0
    assert ship_here(finished(colours)) == 0
    target = tmp_path / "trained" / "colours"
    assert json.loads((target / "run.json").read_text())["seed"] == 3  # the later one's
    before = {f: f.read_bytes() for f in target.iterdir()}
    changed, said = UNFIT[name]
    if name == "a large network":
        monkeypatch.setattr(ship, "LARGEST", 8_000)
    with pytest.raises(RunError, match=said):
        ship_here(finished(colours, **{"seed": 4} | changed))
    assert {f: f.read_bytes() for f in target.iterdir()} == before
    assert list(target.parent.iterdir()) == [target]


def test_evaluate_measures_in_the_runs_precision_and_says_so(
    colours, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(catalog, "builder_dir", lambda *_: None)
    ship_here(finished(colours, precision="mixed_bfloat16"))
    assert "seed 3, mixed_bfloat16" in capsys.readouterr().out
    used = []
    monkeypatch.setattr(evaluation, "run", lambda network, devices, *_: used.append(devices))
    launch("evaluate", "colours", data_dir="/nowhere")
    assert used[0].precision == "mixed_bfloat16"
    err = capsys.readouterr().err
    assert "trained in mixed_bfloat16, used here in mixed_bfloat16" in err
    predict_here(test_predict.colour(tmp_path / "a.png", (0, 0, 255)))
    assert "mixed_bfloat16, used here in float32" in capsys.readouterr().err


def test_classes_of_a_known_data_set_have_names_where_it_is_not(tmp_path):
    recipe = reproductions.load("resnet_cifar").RECIPES["akamaster_resnet20"]
    names = "resnet_cifar", "akamaster_resnet20"
    experiment = read_experiment(*names, recipe, data_dir=str(tmp_path))
    network = Network(experiment=experiment, file=tmp_path / "w.weights.h5", run=None)
    assert read_class_names(network)[:3] == ("airplane", "automobile", "bird")
    assert shipped.shipped_class_names("svhn") is None
