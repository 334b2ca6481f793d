"""A run that has ended goes on, ends early, and keeps its best epoch."""

import gc
import json
import shutil
import signal
from types import SimpleNamespace
from unittest import mock

import pytest

from common.errors import RunError, UsageError
from common.training.checkpoints import newest_first
from common.training.loop import Loop
from common.training.signals import Stopped
from launch.session import run_session
from launch.session.run_session import KeepBest
from launch.weights.run_weights import BEST
from tests.launch.flags import launch
from tests.launch.test_resume import assert_same_end, metrics, record

SETTINGS = (
    *("global_batch_size=12", "train_images=240", "held_out=200", "healthy_after=0"),
    "before_epoch.kept=0.5",  # a state beside the weights and the optimizer's
    "schedule=ByEpoch(starts=(0, 3), factors=(1.0, 100.0))",  # the last epochs are worse
)
HERE = {"data": "sample", "gpus": 0, "jit_compile": False}  # XLA's compiler takes the longest


def train(word, *settings, **flags):
    """One session in this process, which leaves the run's folder free."""
    code = launch(word, set=settings, checkpoint_minutes=0, **flags)
    gc.collect()
    assert code == 0
    return flags.get("workdir", word)


def begin(folder, *settings, **flags):
    return train("mnist_300", *SETTINGS, *settings, workdir=folder, **HERE, **flags)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Four epochs in one go, with the best one's weights."""
    return begin(tmp_path_factory.mktemp("runs") / "whole", "epochs=4", keep_best=True)


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory):
    return begin(tmp_path_factory.mktemp("runs") / "ended", "epochs=2", keep_best=True)


@pytest.fixture
def ended(two_epochs, tmp_path):
    """A copy of a run of two epochs."""
    return shutil.copytree(two_epochs, tmp_path / "ended")


def test_a_runs_folder_and_more_epochs_are_the_longer_run(whole, ended, capsys):
    first = record(ended)
    train(ended, "epochs=4", gpus=0, keep_best=True)
    said = capsys.readouterr().err
    assert "Continues from step 40." in said and "Deviation: epochs: 4, not 20." in said
    assert_same_end(whole, ended)
    now = record(ended)
    assert now["recipe"] == record(whole)["recipe"] and "recipes" not in now
    assert now["overrides"] == record(whole)["overrides"]
    [end] = now["earlier_ends"]
    assert end["results"] == first["results"] and end["epochs"] == 2
    assert now["best_weights"] == record(whole)["best_weights"]
    train(ended, gpus=0)  # as it is now
    assert "Nothing is left to train: epochs=4 is its end." in capsys.readouterr().err


def test_the_folder_keeps_the_best_epoch_as_the_first_command_did(ended):
    facts = record(ended)
    facts["best_weights"]["top1_error"] = 100.0  # all later ones are better
    (ended / "run.json").write_text(json.dumps(facts))
    train(ended, "epochs=3", gpus=0)
    rows = [row["val_top1_error"] for row in metrics(ended)]
    assert record(ended)["best_weights"]["top1_error"] == min(rows[1:]) < 100


def test_the_folder_keeps_the_best_epoch_of_a_run_that_was_stopped_in_its_first(tmp_path):
    with mock.patch.object(Loop, "measure", side_effect=Stopped(signal.SIGTERM, 20)):
        folder = tmp_path / "run"
        words = {"set": (*SETTINGS, "epochs=1"), "workdir": folder, "keep_best": True}
        assert launch("mnist_300", **words, **HERE) != 0
    gc.collect()
    assert "best_weights" not in record(folder)
    train(folder, gpus=0)
    assert record(folder)["best_weights"]["epoch"] == 1 and (folder / BEST).exists()


def test_fewer_epochs_than_were_trained_are_refused(whole):
    before = record(whole)
    with pytest.raises(RunError, match="has made 80 updates already, .* 60. Give it more epochs"):
        train(whole, "epochs=3", gpus=0)
    with pytest.raises(RunError, match="more updates .--set updates=N. to go on there"):
        train(whole, "updates=60", gpus=0)
    with pytest.raises(UsageError, match="leave out --workdir"):
        train(whole, gpus=0, workdir="elsewhere")
    with pytest.raises(RunError, match="is 12 there, 6 here. Begin another run by .*, mnist_300;"):
        train(whole, "global_batch_size=6", gpus=0)
    with pytest.raises(UsageError, match="no run's folder"):
        train(whole / "checkpoints", gpus=0)
    assert record(whole) == before


def test_another_recipe_goes_on_and_both_are_on_record(ended, capsys):
    flat = "schedule=Constant(value=0.5)"
    with pytest.raises(RunError, match=f"python -m launch {ended} --set FIELD=VALUE"):
        begin(ended, "epochs=3", "optimizer.learning_rate=0.001")
    assert "recipes" not in record(ended)
    gc.collect()
    train(ended, "epochs=3", flat, gpus=0)
    said = capsys.readouterr().err
    told = "schedule=Constant(value=0.5) from epoch 3 on ("
    assert f"Deviation: continued: epochs=3 from epoch 3 on (2 before); {told}" in said
    assert told in said.partition("Not the paper's experiment")[2]
    found = record(ended)
    assert [(one["epoch"], one["step"]) for one in found["recipes"]] == [(1, 0), (3, 40)]
    assert [row["epoch"] for row in metrics(ended)] == [1, 2, 3]
    assert [one["field"] for one in found["overrides"]][-1] == "continued"
    assert launch("evaluate", "mnist_300", weights=ended, gpus=0) == 0
    assert "Written into" in capsys.readouterr().out


def test_a_recipe_that_nothing_is_trained_with_is_not_the_runs(ended):
    before = record(ended)
    with pytest.raises(RunError, match="Nothing is left .*: recipe.schedule.class is ByEpoch"):
        train(ended, "schedule=Constant(value=0.5)", gpus=0)
    assert record(ended) | {"sessions": []} == before | {"sessions": []}


def test_a_fine_tuned_run_goes_on_without_the_weights_that_it_began_with(whole, tmp_path):
    start = shutil.copytree(whole, tmp_path / "start")
    given = {"from": start, "body_rate": 0.5}
    long = begin(tmp_path / "long", "epochs=2", **given)
    folder = begin(tmp_path / "run", "epochs=1", **given)
    shutil.rmtree(start)
    train(folder, "epochs=2", gpus=0)
    assert_same_end(long, folder)
    assert "recipes" not in record(folder)
    shutil.rmtree(folder / "checkpoints")
    with pytest.raises(RunError, match="no checkpoint yet, .* with --from"):
        train(folder, gpus=0)


def test_the_best_epochs_weights_are_kept_beside_the_last_ones(whole, capsys):
    best = record(whole)["best_weights"]
    rows = metrics(whole)
    lowest = min(rows, key=lambda row: (row["val_top1_error"], row["val_loss"]))
    assert (best["epoch"], best["step"]) == (lowest["epoch"], lowest["step"])
    assert best["top1_error"] == lowest["val_top1_error"] < rows[-1]["val_top1_error"]
    before = record(whole)["results"]
    assert launch("evaluate", "mnist_300", weights=whole / BEST, gpus=0) == 0
    said = capsys.readouterr().out
    assert f"top-1 error {best['top1_error']:.2f} (" in said and "200 images" in said
    assert "Not written into the run: its result is that of final.weights.h5" in said
    assert record(whole)["results"] == before


@pytest.mark.parametrize("killed", [False, True])
def test_of_equal_errors_the_lowest_loss_is_best(tmp_path, monkeypatch, killed):
    """Of few held-out images many epochs have the same error."""
    epochs = [(50.0, 2.0), (25.0, 1.0), (25.0, 0.5), (25.0, 0.5), (25.0, 0.7), (50.0, 0.1)]
    rows = [
        {"step": step, "val_top1_error": error, "val_loss": loss}
        for step, (error, loss) in enumerate(epochs)
    ]
    saved = []
    monkeypatch.setattr(run_session, "save_tested", lambda *_: saved.append(len(saved)))
    facts = {"variant": "mnist_300"}
    run = SimpleNamespace(folder=tmp_path, record=facts, update=facts.update)
    for epoch, row in enumerate(rows):
        best = KeepBest(run, None)
        best.set_model(None)
        if killed:  # between the checkpoint and the weights
            state = SimpleNamespace(step=row["step"], history=rows[: epoch + 1], epoch=epoch + 1)
            best.resume(state)
        else:
            best.on_epoch_end(epoch, row)
    kept = facts["best_weights"]
    assert (kept["epoch"], kept["top1_error"], kept["loss"], len(saved)) == (3, 25.0, 0.5, 3)


def test_what_a_kill_left_out_of_the_best_weights_is_made_good(tmp_path):
    folder = begin(tmp_path / "run", "epochs=1", keep_best=True)
    kept = record(folder)["best_weights"]
    (folder / BEST).unlink()  # as if it had come between the checkpoint and the file
    facts = record(folder)
    del facts["best_weights"]
    (folder / "run.json").write_text(json.dumps(facts))
    train(folder, gpus=0, keep_best=True)
    assert record(folder)["best_weights"] == kept and (folder / BEST).exists()
    later = kept | {"epoch": 2, "step": 40, "top1_error": 0.0}  # whose checkpoint is lost
    (folder / "run.json").write_text(json.dumps(facts | {"best_weights": later}))
    train(folder, gpus=0, keep_best=True)
    assert record(folder)["best_weights"] == kept


def test_patience_ends_a_run_on_record(tmp_path, capsys):
    folder = begin(tmp_path / "run", "epochs=9", "optimizer.learning_rate=0", patience=2)
    said = capsys.readouterr().err
    assert "Ended early: no lower held-out error for 2 epochs." in said
    assert "best epoch 1: " in said and "chosen on held-out images" in said
    found = record(folder)
    assert found["epochs"] == 3 and found["ended_early"] and found["best_epoch"]["epoch"] == 1
    [override] = [one for one in found["overrides"] if one["field"] == "patience"]
    assert (override["old"], override["new"]) == (None, 2)
    train(folder, gpus=0)
    assert "Nothing is left to train: patience=2 is its end." in capsys.readouterr().err
    train(folder, "patience=3", gpus=0)
    assert record(folder)["epochs"] == 4 and "recipes" not in record(folder)
    assert newest_first(folder / "checkpoints")[0].name == "step-000000080.npz"
