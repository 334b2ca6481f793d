"""`python -m launch NAME`, end to end, as users run it."""

import json
import pathlib
import re
import subprocess
import sys

import h5py
import pytest

import reproductions
from common.models import preprocessing

ROOT = pathlib.Path(__file__).parents[2]


def launch(*arguments, timeout=300):
    done = subprocess.run(
        [sys.executable, "-m", "launch", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return done.returncode, done.stdout, done.stderr


LENET = ("lenet5", "--data", "sample", "--set", "epochs=2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short run of LeNet-5 on the UCI digits."""
    folder = tmp_path_factory.mktemp("run") / "lenet5"
    code, out, err = launch(*LENET, "--workdir", folder)
    assert code == 0, err
    return folder, err


def test_it_ends_with_a_table_that_says_what_it_is(trained):
    _, screen = trained
    number = r"\d+\.\d\d"
    line = rf"single +360 +{number} \({number} to {number}\) %"
    assert re.search(line, screen)
    assert "not comparable" in screen
    assert "data: UCI handwritten digits (sample), 10 classes, not" in screen
    assert "epochs: 2, not 20" in screen


def test_it_ends_with_what_can_be_done_next(trained):
    folder, screen = trained
    for verb in ("evaluate", "predict", "export"):
        assert f"python -m launch {verb} {folder} " in screen.partition("training loss")[2]


def test_the_screen_has_no_noise_of_tensorflows(trained):
    _, screen = trained
    for noise in ("oneDNN", "cuda", "CUDA", "WARNING", "Traceback", "I0000"):
        assert noise not in screen


def test_the_log_file_has_plain_lines_with_speed_and_time_left(trained):
    folder, _ = trained
    log = (folder / "log.txt").read_text()
    line = r"epoch 1/2: loss .*, test error .*; [\d,]+ images/s, .* left\n"
    assert re.search(line, log)
    assert "\r" not in log


def test_the_run_can_be_told_from_its_record(trained):
    folder, _ = trained
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["recipe"]["epochs"] == 2
    assert [one["field"] for one in record["overrides"]] == ["data", "epochs"]
    assert record["overrides"][1] == {"class": "Override", "field": "epochs", "old": 20, "new": 2}
    assert record["data"]["splits"] == {"train": 1437, "test": 360}
    (result,) = record["results"]
    assert result["view"] == "single" and result["num_images"] == 360
    (session,) = record["sessions"]
    assert session["command"].startswith("python -m launch lenet5 --data")
    assert {"tensorflow", "keras", "numpy"} <= session["versions"].keys()
    assert session["platform"] == "cpu" and session["devices"] == 1


def test_everything_is_written_by_default(trained):
    folder, _ = trained
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 2
    assert len((folder / "metrics.csv").read_text().splitlines()) == 3
    assert list(folder.glob("checkpoints/step-*.npz"))
    said = preprocessing.read(folder / "final.weights.h5")
    assert said.layout == preprocessing.RECIPE
    assert said.described["normalize"]["class"] == "ScalePixels"


def test_tensorboard_opens_on_the_loss_of_the_run_by_its_folders_name(trained):
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    folder, _ = trained
    board = EventMultiplexer().AddRunsFromDirectory(str(folder.parent))
    (name,) = [name for name in board.Reload().Runs() if name.startswith(folder.name)]
    assert name == folder.name  # and no "tensorboard/train"
    tags = sorted(board.Runs()[name]["scalars"])
    assert tags[:2] == ["loss/in_training", "loss/on_test"]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for tag, column in (("loss/in_training", "loss"), ("top1_error/on_test", "val_top1_error")):
        points = [(point.step, pytest.approx(point.value)) for point in board.Scalars(name, tag)]
        assert [(row["epoch"], row[column]) for row in rows] == points


def test_the_same_command_again_only_says_what_was_measured(trained):
    folder, _ = trained
    code, _, err = launch(*LENET, "--workdir", folder)
    assert code == 0, err
    assert "Continues from step 2,874" in err
    assert re.search(r"single +360 ", err)


def test_evaluate_gives_the_recorded_error_and_writes_it_down(trained):
    folder, _ = trained
    (before,) = json.loads((folder / "run.json").read_text())["results"]
    code, out, err = launch("evaluate", folder)
    assert code == 0, err
    assert f"top-1 error {before['top1_error']:.2f} (" in out
    (after,) = json.loads((folder / "run.json").read_text())["results"]
    assert after["command"].startswith(f"python -m launch evaluate {folder}")
    for name in ("view", "split", "num_images", "top1_error", "top5_error"):
        assert after[name] == before[name]
    command = ("evaluate", "lenet5", "--weights", folder, "--split", "train")
    code, out, err = launch(*command)
    assert code == 0, err
    tests, seen = json.loads((folder / "run.json").read_text())["results"]
    assert (tests, seen["split"]) == (after, "train")
    code, _, err = launch(*LENET, "--workdir", folder)  # nothing is lost
    assert re.search(r"single +360 .*\nsingle, train +1,437 ", err)


def test_the_weights_are_the_networks_and_nothing_else(trained):
    folder, _ = trained
    with h5py.File(folder / "final.weights.h5") as stored:
        assert "layers" in stored and "optimizer" not in stored


def test_the_best_epoch_stands_beside_the_last_which_is_the_result(trained):
    folder, err = trained
    record = json.loads((folder / "run.json").read_text())
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    last, best = record["last_epoch"], record["best_epoch"]
    assert last == {"epoch": 2, "top1_error": rows[-1]["val_top1_error"]}
    assert record["results"][0]["top1_error"] == last["top1_error"]
    assert best["top1_error"] == min(row["val_top1_error"] for row in rows)
    assert best["chosen_on"] == "the test set"
    assert f"best epoch {best['epoch']}: " in err


def test_weights_of_another_network_are_a_plain_error(trained):
    folder, _ = trained
    code, _, err = launch(
        *("evaluate", "alexnet", "--data", "sample"),
        *("--set", "image_size=67"),
        *("--weights", folder / "final.weights.h5"),
    )
    assert code == 2 and "holds a run of lenet5, not of alexnet" in err
    assert "Traceback" not in err


def test_another_recipe_in_the_same_folder_is_refused(trained):
    folder, _ = trained
    before = {f: f.stat().st_mtime for f in folder.rglob("*") if f.is_file()}
    code, _, err = launch(*(*LENET, "--set", "optimizer.mu=0.5"), *("--workdir", folder))
    assert code == 1
    assert "recipe.optimizer.mu is 0.02 there, 0.5 here" in err and "Traceback" not in err
    after = {f: f.stat().st_mtime for f in folder.rglob("*") if f.is_file()}
    before.pop(folder / "lock"), after.pop(folder / "lock")
    assert after == before


def test_dry_run_says_what_it_would_cost_and_writes_nothing(tmp_path):
    folder = tmp_path / "run"
    code, out, err = launch(*LENET, "--dry_run", "--time_step", "--workdir", folder)
    assert code == 0, err
    for fact in ("60,000 parameters", "2 epochs x 1,437 = 2,874", "MiB"):
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
def test_the_plan_of_a_headline_network_needs_no_data(tmp_path, name):
    none = ("--data_dir", tmp_path / "none")
    words = (name, "--dry_run", *none, "--platform", "cpu")
    code, out, err = launch(*words, timeout=1800)
    assert code == 0, err
    assert "not here; sizes as published" in out
    assert re.search(r"steps +[\d.]+ epochs x [\d,]+ = [\d,]+; [\d,]+ im", out)
    assert re.search(r"arithmetic +[\d,]+ multiply-accumulates", out)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (("alexnet", "--gpus", "99"), 2, ["does not divide", "99"]),
        (
            ("alexnet", "--data", "sample", "--gpus", "64"),
            2,
            ["asked for: 64", "sees 0", "--platform cpu"],
        ),
        (
            ("lenet5", "--data_dir", "/nowhere"),
            1,
            ["/nowhere", "--data sample", "Nothing was downloaded"],
        ),
        (
            ("lenet5", "--data", "sample", "--platform", "gpu"),
            2,
            ["asked for: 1", "--platform cpu"],
        ),
    ],
)
def test_what_cannot_be_is_one_paragraph(tmp_path, arguments, code, words):
    found, out, err = launch(*arguments, "--workdir", tmp_path / "run")
    assert found == code, err
    assert "Traceback" not in err and len(err.strip().splitlines()) == 1
    for word in words:
        assert word in err
    assert not (tmp_path / "run").exists()


def test_what_would_fail_after_a_training_fails_before_it(tmp_path):
    run = ("--data", "sample", "--workdir", tmp_path / "run")
    code, _, err = launch("alexnet", *run, "--set", "views=single")
    assert code == 2 and "'single' cannot cut 224 pixels from a frame" in err
    assert not list(tmp_path.rglob("*.npz"))
