"""`python -m launch queue`: order, what is passed over, stopping."""

import json
import pathlib
import signal
import sys
import types

import pytest

import reproductions
from common.errors import RunError
from common.recipes.serialization import describe_recipe
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
ALL = [
    "lenet5",
    "lenet5_mse",
    "lenet5 --seed 1",
    "lenet5_mse --seed 1",
    "cifar_wrn_16_8 --precision mixed_bfloat16",
    "lenet5_15k",
]
SMALL = [words for words in ALL if "wrn" not in words]


class Training:
    """A training's process: it ends well at once, or does what `doing` says of its name."""

    started: list = []
    doing: dict = {}

    def __init__(self, words):
        assert tuple(words[:3]) == (sys.executable, "-m", "launch")
        self.words, self.returncode, self.told = words[3:], None, False
        Training.started.append(" ".join(self.words))

    def poll(self):
        name = self.words[0]
        doing = Training.doing.get(name)
        if doing == "wait" and not self.told:
            signal.raise_signal(signal.SIGTERM)
            return None
        self.returncode = {"fail": 1, "wait": 75}.get(doing, 0)
        if not doing:
            seed = self.words[self.words.index("--seed") + 1] if "--seed" in self.words else "0"
            data = "cifar10" if "wrn" in name else "mnist"
            mark = "_mixed_bfloat16" if "--precision" in self.words else ""
            folder = pathlib.Path("runs", f"{name}_{data}_seed{seed}{mark}")
            folder.mkdir(parents=True)
            recipe = reproductions.load(reproductions.find(name)[0]).RECIPES[name]
            record = {"status": "finished", "recipe": describe_recipe(recipe)}
            (folder / "run.json").write_text(json.dumps(record))
        return self.returncode

    def terminate(self):
        self.told = True


@pytest.fixture
def start(tmp_path, monkeypatch):
    """`start(GPU there?, what which training does, flags)` runs the queue."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "queue.toml"
    file.write_text(ROWS)
    read = queue.read
    monkeypatch.setattr(queue, "read", lambda data_dir: read(data_dir, file))
    monkeypatch.setattr(queue, "POLL_SECONDS", 0)
    monkeypatch.setattr(queue.subprocess, "Popen", Training)
    monkeypatch.setattr(records, "file", lambda paper: types.SimpleNamespace(read=list))
    Training.started = []

    def run(gpu=False, doing=None, **flags):
        monkeypatch.setattr(queue, "count_visible_gpus", lambda: int(gpu))
        Training.doing = doing or {}
        return launch("queue", data_dir="/data", **flags)

    return run


def calls():
    """The words that trainings were started with, but for where and on what."""
    return [line.partition(" --data_dir /data --platform")[0] for line in Training.started]


def test_every_run_of_the_file_is_one_of_its_own_or_recorded():
    runs = queue.read("/nowhere")
    folders = [one.workdir for one in runs]
    assert len(set(folders)) == len(folders) > 20
    assert {one.small for one in runs} == {True, False}
    states = {" ".join(one.words): one.state for one in runs}
    assert states["mnist_linear"] == "recorded"
    assert states["cifar_wrn_16_8"] == states["cifar_wrn_16_8 --data cifar100"] == "new"


def test_runs_are_trained_in_the_files_order_within_max_hours(start):
    assert start(gpu=True, max_hours=1.0) == 0
    assert calls() == ALL
    hours = [float(line.rpartition("--max_hours ")[2]) for line in Training.started]
    assert hours == sorted(hours, reverse=True)
    assert 1.0 >= hours[0] > hours[-1] > 0.9  # of all runs together


def test_a_finished_run_of_another_recipe_is_not_this_one(start, capsys):
    """Its folder is called the same: the training says what is wrong, or goes on to a later end."""
    assert start() == 0
    file = pathlib.Path("runs", "lenet5_mnist_seed0", "run.json")
    record = json.loads(file.read_text())
    record["recipe"]["epochs"] -= 1
    file.write_text(json.dumps(record))
    capsys.readouterr()
    assert start(dry_run=True) == 0
    [first, *others] = [x for x in capsys.readouterr().out.splitlines() if "python -m" in x]
    assert first.endswith("of an earlier recipe")
    assert [line.endswith("finished") for line in others if "wrn" not in line] == [True] * 4
    Training.started = []
    with pytest.raises(RunError, match="failed: lenet5"):
        start(doing={"lenet5": "fail"})
    assert calls() == ["lenet5"]


def test_what_needs_a_gpu_is_trained_when_there_is_one(start, capsys):
    assert start(gpu=False) == 0
    assert start(gpu=True, platform="cpu") == 0
    assert calls() == SMALL  # once: what is finished is passed over
    capsys.readouterr()
    assert start(dry_run=True) == 0
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    states = {row[0]: row[-1].strip() for row in rows}
    assert states["python -m launch lenet5_15k"] == "finished"
    assert states[f"python -m launch {ALL[4]}"] == "new, needs a GPU"
    assert start(gpu=True) == 0
    assert calls()[len(SMALL) :] == [ALL[4]]


def test_a_recorded_run_is_passed_over(start, monkeypatch):
    monkeypatch.setattr(queue.Queued, "state", "recorded")
    assert start(gpu=True) == 0 and not Training.started


def test_a_stopped_queue_goes_on_where_it_was(start):
    assert start(doing={"lenet5_mse": "wait"}) == 75
    assert calls() == SMALL[:2]
    assert start() == 0
    assert calls()[2:] == SMALL[1:]


def test_a_failed_run_does_not_stop_the_others(start):
    with pytest.raises(RunError, match="failed: lenet5_mse; lenet5_mse --seed"):
        start(doing={"lenet5_mse": "fail"})
    assert calls() == SMALL


def test_one_queue_at_a_time_and_no_damaged_record(start, tmp_path):
    folder = tmp_path / "runs" / "lenet5_mnist_seed0"
    folder.mkdir(parents=True)
    with lock_folder(tmp_path / "runs"):
        with pytest.raises(RunError, match="Another process"):
            start()
    (folder / "run.json").write_text("{")
    with pytest.raises(RunError, match="lenet5_mnist_seed0/run.json cannot"):
        start()
    assert not Training.started
