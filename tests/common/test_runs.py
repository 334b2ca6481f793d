"""A run's folder: one run, one process, everything on record."""

import json
import os

import pytest

from common.errors import RunError
from common.training.run_record import (
    add_result,
    command,
    is_same_training,
    open_run,
    overrides_of,
)

SESSION = {"command": "python -m launch x"}


def identity(**changes):
    return {
        "variant": "x",
        "recipe": RECIPE,
        "seed": 0,
        "data": {"name": "sample"},
        "precision": "float32",
        "deviations": [],
        "overrides": [],
    } | changes


def record(folder):
    return json.loads((folder / "run.json").read_text())


def start(folder, renewed=False, **changes):
    """Opens and, by forgetting it, releases the lock."""
    return open_run(folder, identity(**changes), dict(SESSION), renewed=renewed)


def test_the_same_run_continues_and_each_session_is_on_record(tmp_path):
    start(tmp_path)
    run = start(tmp_path)
    run.end_session("finished", status="finished", results=[1])
    found = record(tmp_path)
    assert len(found["sessions"]) == 2
    assert found["sessions"][1]["reason"] == "finished"
    assert (found["status"], found["results"]) == ("finished", [1])


def test_a_measurement_replaces_that_of_its_view_and_split_alone(tmp_path):
    def result(view, split, error):
        return {"view": view, "split": split, "top1_error": error}

    tests, ten = result("single", "test", 9.0), result("ten_crop", "test", 8.0)
    start(tmp_path).end_session("finished", results=[tests, ten])
    seen, again = result("single", "train", 1.0), result("single", "test", 9.1)
    add_result(tmp_path, seen)
    assert record(tmp_path)["results"] == [tests, ten, seen]
    add_result(tmp_path, again)
    assert record(tmp_path)["results"] == [again, ten, seen]


def test_what_was_measured_stays_finished_when_it_is_only_looked_at_again(tmp_path):
    start(tmp_path).end_session("finished", status="finished", results=[1])
    run = start(tmp_path)
    assert record(tmp_path)["status"] == "finished"
    run.go_on(2, 20, ended=True)
    run.break_off("SIGINT", "stopped")
    found = record(tmp_path)
    assert (found["status"], found["sessions"][-1]["reason"]) == ("finished", "SIGINT")
    del run
    run = start(tmp_path)
    run.go_on(2, 20, ended=False)  # to a later end
    assert record(tmp_path)["status"] == "running"
    run.break_off("SIGINT", "stopped")
    assert record(tmp_path)["status"] == "stopped"


def photographs(place, digest="1a"):
    name = f"folder:{place}"
    return {
        "data": {"name": name, "sha256": digest},
        "recipe": RECIPE | {"data": name},
        "overrides": [{"field": "data", "old": "mnist", "new": name}],
    }


def test_the_same_photographs_elsewhere_are_the_same_data(tmp_path):
    start(tmp_path, **photographs("/old"))
    run = start(tmp_path, **photographs("/new"))
    run.go_on(1, 10, ended=False)
    assert "recipes" not in record(tmp_path)  # one recipe throughout
    assert [one.new for one in overrides_of(record(tmp_path))] == ["folder:/old"]
    del run
    with pytest.raises(RunError, match="data.sha256 is 1a there, 2b here"):
        start(tmp_path, **photographs("/new", "2b"))


RECIPE = {
    "epochs": 2,
    "ops": [{"size": 3}],
    "optimizer": {"class": "Sgd", "learning_rate": 0.1, "momentum": 0.9},
    "group_schedules": [],
    "global_batch_size": 8,
}
SLOWER = RECIPE | {"optimizer": RECIPE["optimizer"] | {"learning_rate": 0.01}}


def begin(folder, recipe, step, renewed=False, **facts):
    """A session that takes the run up after `step` updates, ten an epoch; its overrides."""
    run = start(folder, renewed, recipe=recipe)
    happened = run.go_on(step // 10, step, ended=False)
    if facts:
        run.end_session("finished", **facts)
    return happened


def test_a_run_with_more_epochs_is_the_same_training(tmp_path):
    begin(tmp_path, RECIPE, 0, results=[1], epochs=2, status="finished")
    assert begin(tmp_path, RECIPE | {"epochs": 4}, 20) == []
    found = record(tmp_path)
    assert found["recipe"]["epochs"] == 4 and "recipes" not in found
    assert found["earlier_ends"] == [{"epochs": 2, "results": [1]}] and "results" not in found
    again = start(tmp_path, recipe=RECIPE | {"epochs": 4})
    again.end_session("finished", results=[2], epochs=4)
    again.go_on(4, 40, ended=True)  # the same command, once more
    assert record(tmp_path)["results"] == [2] and len(record(tmp_path)["earlier_ends"]) == 1


def test_another_recipe_begins_where_the_run_stands(tmp_path):
    start(tmp_path, recipe_hash="0c3e9d1a")  # as earlier versions kept it
    assert "recipe_hash" in record(tmp_path)
    begin(tmp_path, RECIPE, 0)
    with pytest.raises(RunError, match="learning_rate is 0.1 there, 0.01 here.* --set FIELD"):
        start(tmp_path, recipe=SLOWER)
    [override] = begin(tmp_path, SLOWER, 25, renewed=True)
    assert override.field == "continued" and "0.01, " in override.new
    assert "from epoch 3 on (Sgd(learning_rate=0.1," in override.new
    found = record(tmp_path)
    assert [(one["epoch"], one["step"]) for one in found["recipes"]] == [(1, 0), (3, 25)]
    assert [one["recipe"] for one in found["recipes"]] == [RECIPE, found["recipe"]]
    assert found["recipe"] == SLOWER and "recipe_hash" not in found
    assert overrides_of(found) == (override,)
    begin(tmp_path, SLOWER | {"epochs": 9}, 31)  # is the second one's
    found = record(tmp_path)["recipes"]
    assert [(one["step"], one["recipe"]["epochs"]) for one in found] == [(0, 2), (25, 9)]


def test_a_recipe_whose_updates_are_lost_was_never_the_runs(tmp_path):
    begin(tmp_path, RECIPE, 0)
    begin(tmp_path, SLOWER, 25, renewed=True)
    begin(tmp_path, SLOWER, 20)  # that checkpoint was damaged
    assert [one["step"] for one in record(tmp_path)["recipes"]] == [0, 20]
    assert begin(tmp_path, RECIPE, 20, renewed=True) == []  # the first one's, after all
    assert "recipes" not in record(tmp_path)
    begin(tmp_path, SLOWER, 0, renewed=True)  # none was left
    assert "recipes" not in record(tmp_path) and record(tmp_path)["recipe"] == SLOWER


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"seed": 1}, "seed is 0 there, 1 here"),
        ({"data": {"name": "mnist"}}, "data.name is sample there"),
        ({"recipe": {"ops": [{"size": 9}]}}, "recipe.ops.0.size is 3 there, 9 here"),
        ({"recipe": {"global_batch_size": 4}}, "recipe.global_batch_size is 8 there"),
        (
            {"recipe": {"optimizer": RECIPE["optimizer"] | {"momentum": 0.5}}},
            "recipe.optimizer.momentum is 0.9 there",
        ),
        (
            {"recipe": {"optimizer": {"class": "RmsProp", "learning_rate": 0.1}}},
            "recipe.optimizer.class is Sgd there",
        ),
        ({"recipe": {"group_schedules": [{"variables": "bias"}]}}, "recipe.group_schedules is "),
    ],
)
@pytest.mark.parametrize("renewed", [False, True])
def test_what_data_weights_and_steps_hang_on_is_another_run(tmp_path, changes, what, renewed):
    start(tmp_path)
    before = record(tmp_path)
    recipe = RECIPE | changes.get("recipe", {})
    with pytest.raises(RunError, match=f"another run: {what}") as error:
        start(tmp_path, renewed, **changes | {"recipe": recipe})
    assert "FIELD=VALUE" not in str(error.value)
    assert record(tmp_path) == before


@pytest.mark.parametrize(
    ("before", "now", "same"), [(None, 2, False), (3, 2, False), (2, 3, True), (2, None, True)]
)
def test_less_patience_might_have_ended_it_before(before, now, same):
    once, then = (RECIPE | {"patience": patience} for patience in (before, now))
    assert is_same_training(once, then) is same


def test_what_runs_in_a_folder_locks_it_by_its_process(tmp_path):
    run = start(tmp_path)  # the system locks for an open file, in this process or another
    with pytest.raises(RunError, match=f"pid {os.getpid()} .* --workdir"):
        start(tmp_path)
    del run
    start(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_plain_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be used.*--workdir"):
        start(tmp_path / "file" / "run")


def test_a_broken_record_is_a_plain_error_and_left_alone(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match="run.json cannot be read"):
        start(tmp_path)
    assert (tmp_path / "run.json").read_text() == "{"


def test_history_is_rewritten_whole(tmp_path):
    run = start(tmp_path)
    run.write_history([{"epoch": 1, "loss": 0.5}])
    run.write_history([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.4}])
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == [1, 2]
    table = (tmp_path / "metrics.csv").read_text().splitlines()
    assert table == ["epoch,loss", "1,0.5", "2,0.4"]


def test_a_command_begins_with_what_changes_its_arithmetic(monkeypatch):
    monkeypatch.setattr("sys.argv", ["launch", "lenet5", "--seed", "1"])
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    assert command() == "python -m launch lenet5 --seed 1"
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert command() == ("NVIDIA_TF32_OVERRIDE=0 python -m launch lenet5 --seed 1")
