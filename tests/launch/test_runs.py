"""`python -m launch runs`: one line for each run's folder."""

import json
import os

import pytest

from common.errors import UsageError
from common.training.run_record import lock_folder
from tests.launch import toy
from tests.launch.flags import launch
from tests.launch.test_command_line import child_seconds
from tests.launch.test_command_line import launch as launch_alone


def lines(capsys, *words):
    """folder's name -> what is said of it, in the order of the lines."""
    assert launch("runs", *words) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["folder", "network", "data", "changed", "state"]
    return {os.path.basename(row.split()[0]): " ".join(row.split()[1:]) for row in rows}


def unfinished(folder, status, **session):
    toy.write_run(folder, history=toy.history(3), status=status, results=[])
    file = folder / "run.json"
    record = json.loads(file.read_text())
    record["sessions"][-1] |= session
    del record["finished"]
    file.write_text(json.dumps(record))
    return folder


def test_a_finished_run_has_its_changes_and_its_error(tmp_path, capsys):
    toy.write_run(tmp_path / "a", settings=["epochs=2", "optimizer.learning_rate=0.02"], seed=4)
    assert lines(capsys, tmp_path)["a"] == (
        "toy mnist 2ep, learning_rate=0.02, seed 4 done 0.93 % 2026-01-01 01:00"
    )
    toy.write_run(tmp_path / "b", data={"name": "toys/1.0.0", "shorter_side": 256})
    assert "mnist shrunk once to a shorter side of 256 pixels" in lines(capsys, tmp_path)["b"]


def test_the_newest_is_the_last(tmp_path, capsys):
    for name, day in (("x", 3), ("y", 1), ("z", 2)):
        toy.write_run(tmp_path / name, finished=f"2026-01-0{day}T01:00:00+00:00")
    assert list(lines(capsys, tmp_path)) == ["y", "z", "x"]


def test_an_unfinished_run_says_how_far_it_is_and_whether_it_goes_on(tmp_path, capsys):
    unfinished(tmp_path / "killed", "running")
    unfinished(tmp_path / "stopped", "stopped", reason="SIGTERM")
    unfinished(tmp_path / "failed", "failed", reason="NotFinite: the loss is nan")
    unfinished(tmp_path / "goes_on", "running")
    lock = lock_folder(tmp_path / "goes_on")
    found = lines(capsys, tmp_path)
    for name, state in {
        "killed": "unfinished, not running",
        "stopped": "stopped (SIGTERM)",
        "failed": "failed (NotFinite)",
        "goes_on": "running",
    }.items():
        assert f"mnist {state}, epoch 3 of 20 0.67 % so far" in found[name]
    lock.close()
    assert "unfinished, not running" in lines(capsys, tmp_path)["goes_on"]


def test_a_broken_folder_is_a_line_that_says_so(tmp_path, capsys):
    toy.write_run(tmp_path / "good")
    for name, text in {"cut": '{"variant"', "list": "[]", "old": '{"variant": "toy"}'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    (tmp_path / "empty").mkdir()
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").touch()
    toy.write_run(tmp_path / "torn", history=toy.history(1))
    (tmp_path / "torn" / "metrics.jsonl").write_text('{"epoch": 1, "val')
    found = lines(capsys, tmp_path)
    assert found["good"].startswith("toy mnist done")
    for name in ("cut", "list", "old", "torn"):
        assert found[name].startswith("broken: "), name
    assert found["empty"].startswith("no run: it has no run.json")
    assert found["sweep"].startswith("a sweep of several runs")
    (tmp_path / "sweep" / "oracle").mkdir()
    toy.write_run(tmp_path / "sweep" / "trials" / "0")
    assert set(lines(capsys, tmp_path / "sweep")) == {"0"}


def test_what_a_run_began_with_is_one_too_and_a_runs_folder_is_itself(tmp_path, capsys):
    toy.write_run(tmp_path / "run")
    toy.write_run(tmp_path / "run" / "begins_with_toy")
    (tmp_path / "run" / "checkpoints").mkdir()
    assert set(lines(capsys, tmp_path)) == {"run", "begins_with_toy"}
    assert set(lines(capsys, tmp_path / "run")) == {"run", "begins_with_toy"}


def test_nothing_to_list_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no folder runs here"):
        launch("runs")
    (tmp_path / "runs").mkdir()
    assert launch("runs") == 0
    assert capsys.readouterr().out == "No runs in runs.\n"


def test_it_is_quick_and_writes_nothing(tmp_path):
    for number in range(50):
        toy.write_run(tmp_path / str(number), history=toy.history(20))
    before = sorted(tmp_path.rglob("*"))
    start = child_seconds()
    code, out, err = launch_alone("runs", str(tmp_path))  # which fails if it loads TensorFlow
    assert (code, err, len(out.splitlines())) == (0, "", 51)
    assert child_seconds() - start < 2
    assert sorted(tmp_path.rglob("*")) == before
