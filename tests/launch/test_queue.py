"""`python -m launch queue`: order, what is passed over, stopping."""

import json
import os
import signal
import sys
import threading
import time
import types

import pytest

from common.errors import RunError
from common.training.run_record import lock_folder
from launch.commands import queue
from launch.report import records
from tests.launch.flags import launch

ROWS = """
[[run]]
names = ["lenet5", "lenet5_mse"]
seeds = [0, 1]
small = true

[[run]]
names = ["cifar_wrn_16_8"]
precision = "mixed_bfloat16"

[[run]]
names = ["lenet5_15k"]
small = true
"""
# Stands for `python -m launch`: notes its words, and does what TRAINING says.
PROGRAM = """
import json, os, pathlib, signal, sys, time
words = sys.argv[1:]
with open("calls", "a") as calls:
    calls.write(" ".join(words) + "\\n")
name = words[0]
doing = json.loads(os.environ["TRAINING"]).get(name, "finish")
if doing == "fail":
    sys.exit(1)
if doing == "wait":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
    while True:
        time.sleep(0.05)
seed = words[words.index("--seed") + 1] if "--seed" in words else "0"
data = "cifar10" if "wrn" in name else "mnist"
mark = "_mixed_bfloat16" if "--precision" in words else ""
folder = pathlib.Path("runs", f"{name}_{data}_seed{seed}{mark}")
folder.mkdir(parents=True)
(folder / "run.json").write_text('{"status": "finished"}')
"""
ALL = [
    "lenet5",
    "lenet5_mse",
    "lenet5 --seed 1",
    "lenet5_mse --seed 1",
    "cifar_wrn_16_8 --precision mixed_bfloat16",
    "lenet5_15k",
]
SMALL = [words for words in ALL if "wrn" not in words]


@pytest.fixture
def start(tmp_path, monkeypatch):
    """`start(GPU there?, what which training does, flags)` runs the queue."""
    monkeypatch.chdir(tmp_path)
    file, program = tmp_path / "queue.toml", tmp_path / "program.py"
    file.write_text(ROWS)
    program.write_text(PROGRAM)
    monkeypatch.setattr(queue, "PROGRAM", (sys.executable, str(program)))
    read = queue.read
    monkeypatch.setattr(queue, "read", lambda data_dir: read(data_dir, file))
    monkeypatch.setattr(records, "file", lambda paper: types.SimpleNamespace(read=list))

    def run(gpu=False, doing=(), **flags):
        monkeypatch.setattr(queue, "count_visible_gpus", lambda: int(gpu))
        monkeypatch.setenv("TRAINING", json.dumps(dict(doing)))
        return launch("queue", data_dir="/data", **flags)

    return run


def calls(tmp_path):
    """The words that trainings were started with, but for where and on what."""
    lines = (tmp_path / "calls").read_text().splitlines()
    return [line.partition(" --data_dir")[0] for line in lines]


def test_every_run_of_the_file_is_one_of_its_own():
    runs = queue.read("/nowhere")
    folders = [one.workdir for one in runs]
    assert len(set(folders)) == len(folders) > 20
    assert any(one.small for one in runs)
    assert not all(one.small for one in runs)


def test_runs_are_trained_in_the_files_order_within_max_hours(start, tmp_path):
    assert start(gpu=True, max_hours=1.0) == 0
    assert calls(tmp_path) == ALL
    lines = (tmp_path / "calls").read_text().splitlines()
    hours = [float(line.rpartition("--max_hours ")[2]) for line in lines]
    assert hours == sorted(hours, reverse=True)
    assert 1.0 >= hours[0] > hours[-1] > 0.9  # of all runs together


def test_a_recorded_run_is_passed_over():
    states = {" ".join(one.words): one.state for one in queue.read("/nowhere")}
    assert states["mnist_linear"] == "recorded"
    assert states["cifar_wrn_16_8"] == "new"


def test_what_needs_a_gpu_is_trained_when_there_is_one(start, tmp_path, capsys):
    assert start(gpu=False) == 0
    assert start(gpu=True, platform="cpu") == 0
    assert calls(tmp_path) == SMALL  # once: what is finished is passed over
    capsys.readouterr()
    assert start(dry_run=True) == 0
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    states = {row[0]: row[-1].strip() for row in rows}
    assert states["python -m launch lenet5_15k"] == "finished"
    assert states[f"python -m launch {ALL[4]}"] == "new, needs a GPU"
    assert start(gpu=True) == 0
    assert calls(tmp_path)[len(SMALL) :] == [ALL[4]]


def test_a_stopped_queue_goes_on_where_it_was(start, tmp_path):
    def stop():
        while not (tmp_path / "calls").exists() or len(calls(tmp_path)) < 2:
            time.sleep(0.02)
        time.sleep(0.5)  # until the training has its handler
        os.kill(os.getpid(), signal.SIGTERM)

    stopper = threading.Thread(target=stop)
    stopper.start()
    assert start(doing={"lenet5_mse": "wait"}) == 75
    stopper.join()
    assert calls(tmp_path) == SMALL[:2]
    assert start() == 0
    assert calls(tmp_path)[2:] == SMALL[1:]


def test_a_failed_run_does_not_stop_the_others(start, tmp_path):
    with pytest.raises(RunError, match="failed: lenet5_mse; lenet5_mse --seed"):
        start(doing={"lenet5_mse": "fail"})
    assert calls(tmp_path) == SMALL


def test_one_queue_at_a_time(start, tmp_path):
    (tmp_path / "runs").mkdir()
    with lock_folder(tmp_path / "runs"):
        with pytest.raises(RunError, match="Another process"):
            start()
    assert not (tmp_path / "calls").exists()


def test_a_damaged_record_is_named(start, tmp_path):
    folder = tmp_path / "runs" / "lenet5_mnist_seed0"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    with pytest.raises(RunError, match="lenet5_mnist_seed0/run.json cannot"):
        start()
