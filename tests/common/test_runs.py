"""A run's folder: one run, one process, everything on record."""

import json
import subprocess
import sys

import pytest

from common.errors import RunError
from common.training.run_record import add_result, command, open_run

SESSION = {"command": "python -m launch x"}


def identity(**changes):
    return {
        "variant": "x",
        "recipe": {"epochs": 2, "ops": [{"size": 3}]},
        "seed": 0,
        "data": {"name": "sample"},
        "precision": "float32",
    } | changes


def record(folder):
    return json.loads((folder / "run.json").read_text())


def start(folder, **changes):
    """Opens and, by forgetting it, releases the lock."""
    return open_run(folder, identity(**changes), dict(SESSION))


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


@pytest.mark.parametrize(
    "changes, what",
    [
        ({"seed": 1}, "seed is 0 there, 1 here"),
        ({"recipe": {"epochs": 3, "ops": [{"size": 3}]}}, "recipe.epochs is 2"),
        ({"recipe": {"epochs": 2, "ops": [{"size": 9}]}}, "recipe.ops.0.size is 3 there, 9 here"),
        ({"data": {"name": "mnist"}}, "data.name is sample there"),
    ],
)
def test_another_run_in_the_folder_is_refused(tmp_path, changes, what):
    start(tmp_path)
    before = record(tmp_path)
    with pytest.raises(RunError, match=what):
        start(tmp_path, **changes)
    assert record(tmp_path) == before


def test_two_processes_do_not_share_a_folder(tmp_path):
    code = (
        "import sys, pathlib; from common.training.run_record import open_run\n"
        f"i = {identity()!r}\n"
        "run = open_run(pathlib.Path(sys.argv[1]), i, {})\n"
        "print('open', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "open\n"
    with pytest.raises(RunError, match=f"pid {other.pid} .* --workdir"):
        start(tmp_path)
    other.communicate("\n")
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
