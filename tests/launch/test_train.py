"""`python -m launch NAME`, end to end, as users run it."""

import gc
import io
import json
import random
import re

import h5py
import pytest

import reproductions
from common.models import preprocessing
from launch.session import training
from launch.terminal.progress import Progress
from tests.launch.flags import answer
from tests.launch.test_resume import finish, start

SHORT = ("--data", "sample", "--set", "epochs=2", "--set", "train_images=500")
LENET = ("lenet5", *SHORT)
SMALL = ("mnist_300", *SHORT)  # whose graphs cost less than LeNet-5's


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(a short run on the UCI digits, in a process of its own; what it said)."""
    folder = tmp_path_factory.mktemp("run") / "mnist_300"
    return folder, finish(start(SMALL, folder))


def read(folder):
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    return json.loads((folder / "run.json").read_text()), [json.loads(row) for row in rows]


def test_it_ends_with_what_it_is_and_what_can_be_done_next(trained):
    folder, screen = trained
    number = r"\d+\.\d\d"
    assert re.search(rf"single +360 +{number} \({number} to {number}\) %", screen)
    assert "not comparable" in screen
    assert "data: UCI handwritten digits (sample), 10 classes, not" in screen
    assert "epochs: 2, not 20" in screen
    for verb in ("evaluate", "predict", "export"):
        assert f"python -m launch {verb} {folder} " in screen.partition("training loss")[2]
    for noise in ("oneDNN", "cuda", "CUDA", "WARNING", "Traceback", "I0000"):
        assert noise not in screen


def test_layers_that_are_fitted_learn_without_a_step(tmp_path):
    few = ("--set", "global_batch_size=100", "--gpus", "2", "--platform", "cpu")
    finish(start(("mnist_quadratic", *SHORT[:2], *few), tmp_path / "run"))
    record, (row,) = read(tmp_path / "run")
    assert record["results"][0]["top1_error"] < 5 and row["learning_rate"] == 0


def test_the_run_can_be_told_from_its_record(trained):
    folder, screen = trained
    record, rows = read(folder)
    assert record["status"] == "finished"
    assert record["recipe"]["epochs"] == 2
    assert [one["field"] for one in record["overrides"]] == ["data", "epochs", "train_images"]
    assert record["overrides"][1] == {"class": "Override", "field": "epochs", "old": 20, "new": 2}
    assert record["data"]["splits"] == {"train": 500, "test": 360}
    (result,) = record["results"]
    assert result["view"] == "single" and result["num_images"] == 360
    (session,) = record["sessions"]
    assert session["command"].startswith("python -m launch mnist_300 --data")
    assert {"tensorflow", "keras", "numpy"} <= session["versions"].keys()
    assert session["platform"] == "cpu" and session["devices"] == 1
    # The best epoch stands beside the last, which is the result.
    last, best = record["last_epoch"], record["best_epoch"]
    assert last == {"epoch": 2, "top1_error": rows[-1]["val_top1_error"]}
    assert result["top1_error"] == last["top1_error"]
    assert best["top1_error"] == min(row["val_top1_error"] for row in rows)
    assert best["chosen_on"] == "the test set"
    assert "best epoch" not in screen  # on screen it would invite to quote it


def test_the_seed_alone_decides_how_weights_start(trained, tmp_path, monkeypatch, capsys):
    """Whatever drew before: sample images that are made first, or another network."""
    real = training.open_data

    def draw_and_open(experiment):
        random.random()
        return real(experiment)

    monkeypatch.setattr(training, "open_data", draw_and_open)
    code, _, err = answer(capsys, *SMALL, "--workdir", tmp_path / "run")
    assert code == 0, err
    losses = [[row["loss"] for row in read(run)[1]] for run in (tmp_path / "run", trained[0])]
    assert losses[0] == losses[1]


def test_everything_is_written_by_default(trained):
    folder, _ = trained
    assert len(read(folder)[1]) == 2
    assert len((folder / "metrics.csv").read_text().splitlines()) == 3
    assert list(folder.glob("checkpoints/step-*.npz"))
    said = preprocessing.read(folder / "final.weights.h5")
    assert said.layout == preprocessing.RECIPE
    assert said.described["normalize"]["class"] == "ScalePixels"
    with h5py.File(folder / "final.weights.h5") as stored:
        assert "layers" in stored and "optimizer" not in stored
    log = (folder / "log.txt").read_text()
    assert re.search(r"epoch 1/2: loss .*, test error .*; [\d,]+ images/s, .* left\n", log)
    assert "\r" not in log


def test_tensorboard_opens_on_the_loss_of_the_run_by_its_folders_name(trained):
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    folder, _ = trained
    board = EventMultiplexer().AddRunsFromDirectory(str(folder.parent))
    (name,) = [name for name in board.Reload().Runs() if name.startswith(folder.name)]
    assert name == folder.name  # and no "tensorboard/train"
    tags = sorted(board.Runs()[name]["scalars"])
    assert tags[:2] == ["loss/in_training", "loss/on_test"]
    for tag, column in (("loss/in_training", "loss"), ("top1_error/on_test", "val_top1_error")):
        points = [(point.step, pytest.approx(point.value)) for point in board.Scalars(name, tag)]
        assert [(row["epoch"], row[column]) for row in read(folder)[1]] == points


def test_evaluate_writes_what_is_recorded_and_the_same_command_only_says_it(trained, capsys):
    folder, _ = trained
    (before,) = read(folder)[0]["results"]
    code, out, err = answer(capsys, "evaluate", folder)
    assert code == 0, err
    assert f"top-1 error {before['top1_error']:.2f} (" in out
    (after,) = read(folder)[0]["results"]
    assert "command" not in before and "command" in after
    for name in ("view", "split", "num_images", "top1_error", "top5_error"):
        assert after[name] == before[name]
    words = ("evaluate", "mnist_300", "--weights", folder, "--split", "train")
    code, out, err = answer(capsys, *words)
    assert code == 0, err
    tests, seen = read(folder)[0]["results"]
    assert (tests, seen["split"]) == (after, "train")
    gc.collect()  # whose lock is open
    code, _, err = answer(capsys, *SMALL, "--workdir", folder)
    assert code == 0, err
    assert "Continues from step 1,000" in err
    assert re.search(r"single +360 .*\nsingle, train +500 ", err)  # nothing is lost


def test_weights_of_another_network_and_another_recipe_are_plain_errors(trained, capsys):
    folder, _ = trained
    before = {f: f.stat().st_mtime for f in folder.rglob("*") if f.is_file() and f.name != "lock"}
    file = folder / "final.weights.h5"
    other = ("alexnet", "--data", "sample", "--set", "image_size=67", "--weights", file)
    code, _, err = answer(capsys, "evaluate", *other)
    assert code == 2 and "holds a run of mnist_300, not of alexnet" in err
    code, _, err = answer(capsys, *SMALL, "--set", "optimizer.mu=0.5", "--workdir", folder)
    assert code == 1
    assert "recipe.optimizer.mu is 0.02 there, 0.5 here" in err and err.count("\n") == 1
    assert {file: file.stat().st_mtime for file in before} == before
    after = {file for file in folder.rglob("*") if file.is_file() and file.name != "lock"}
    assert after == before.keys()


def test_dry_run_says_what_it_would_cost_and_writes_nothing(tmp_path, capsys):
    folder = tmp_path / "run"
    words = (*LENET, "--dry_run", "--time_step", "--nojit_compile", "--workdir", folder)
    code, out, err = answer(capsys, *words)
    assert code == 0, err
    for fact in ("60,000 parameters", "2 epochs x 500 = 1,000", "MiB", "epochs: 2; paper: 20\n"):
        assert fact in out
    assert re.search(r"time +about .* at [\d,]+ images/s", out)
    assert str(folder) in out and not folder.exists()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "lenet5" else pytest.mark.full)
        for name in reproductions.names()
        if name != "ilsvrc2016"
    ],
)
@pytest.mark.timeout(1800)
def test_the_plan_of_a_headline_network_needs_no_data(tmp_path, name, capsys):
    none = ("--data_dir", tmp_path / "none")
    code, out, err = answer(capsys, name, "--dry_run", *none, "--gpus", "0")
    assert code == 0, err
    assert "not here; sizes as published" in out
    assert re.search(r"steps +[\d.]+ epochs x [\d,]+ = [\d,]+; [\d,]+ im", out)
    assert re.search(r"arithmetic +[\d,]+ multiply-accumulates", out)
    recipe = reproductions.load(name).RECIPES[reproductions.find(name)[1]]
    assert out.count("\ndeviation ") == len(recipe.deviations)
    assert not list(tmp_path.iterdir())


SAMPLE = ("--data", "sample")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("alexnet", *SAMPLE, "--gpus", "64"), ["asked for: 64", "sees 0", "--platform cpu"]),
        (("lenet5", *SAMPLE, "--platform", "gpu"), ["asked for: 1", "--platform cpu"]),
        (  # what would fail after the training fails before it
            ("alexnet", *SAMPLE, "--set", "views=single"),
            ["'single' cannot cut 224 pixels from a frame"],
        ),
    ],
)
def test_what_cannot_be_is_one_paragraph(tmp_path, arguments, words, capsys):
    code, _, err = answer(capsys, *arguments, "--workdir", tmp_path / "run")
    assert code == 2, err
    assert "Traceback" not in err and len(err.strip().splitlines()) == 1
    for word in words:
        assert word in err
    assert not (tmp_path / "run").exists()


def test_no_speed_and_no_end_is_said_before_one_is_known():
    """Of few photographs an epoch is one update, and the first is the compiler's."""
    log = io.StringIO()
    progress = Progress(log, images_per_step=10, screen=io.StringIO())
    progress.set_params({"steps": 1, "epochs": 3, "updates": 3})
    row = dict.fromkeys(("loss", "top1_error", "val_loss", "val_top1_error"), 1.0)
    for epoch in range(2):
        progress.on_epoch_begin(epoch)
        call = {"loss": 1.0, "top1_error": 1.0, "images_per_second": 5.0, "input_wait": 0.0}
        progress.on_train_batch_end(epoch, call)
        progress.on_epoch_end(epoch, row | {"seconds": 7.0})
    first, second = log.getvalue().splitlines()
    assert first.endswith("; 7 s of training so far")
    assert "5 images/s" in second and second.endswith("7 s of training so far, 2 s left")
