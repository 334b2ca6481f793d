import errno
import json
import os
import signal
import sys
import types

import pytest

import reproductions
from common.errors import RunError, UsageError
from common.training import run_record
from common.training.signals import Signals, Stopped
from launch.report import sweep_records
from launch.sweep import child, status, sweep, trials, tuners, workers
from launch.terminal.exits import exit_code
from tests.launch.sweep_fakes import Training, request

SPACE = ["optimizer.learning_rate=log(1e-4,1e-1)"]


class Killed(BaseException):
    """A SIGKILL, as far as the files can tell."""


@pytest.fixture
def search(tmp_path, monkeypatch):
    """Runs a sweep in tmp_path whose trainings are made up."""
    monkeypatch.setattr(trials, "POLL_SECONDS", 0)
    Training.started, Training.trained = [], []

    def run(error, **flags):
        monkeypatch.setattr(child, "start", lambda *words: Training(*words, error))
        values = {"space": SPACE, "set": ["epochs=3"]} | flags
        asked = request(workdir=str(tmp_path), **values)
        code = sweep.run(asked)
        record = json.loads((tmp_path / "sweep.json").read_text())
        return code, record

    return run


def by_rate(settings, epoch):
    """The nearer to 0.01, the better; every epoch is worse than the one
    before."""
    rate = float(settings["optimizer.learning_rate"])
    return 100 * abs(rate - 0.01) + epoch


def test_the_best_epoch_of_a_trial_is_its_objective(search, capsys):
    code, record = search(by_rate, trials=3)
    assert code == 0 and record["status"] == "finished"
    errors = [trial["best"] for trial in record["trials"]]
    for trial in record["trials"]:
        [text] = trial["values"]
        settings = dict([text.split("=")])
        assert trial["best"] == by_rate(settings, 1)
        assert len(trial["objective"]) == 3 and trial["seconds"] == 6.0
    best = errors.index(min(errors))
    assert record["best"] == record["trials"][best]["id"]
    [value] = record["trials"][best]["values"]
    assert record["in_full"].endswith(f"lenet5 --data=sample --set {value}")
    shown = capsys.readouterr().out
    assert record["in_full"] in shown
    assert "the test split was not looked at" in shown


@pytest.mark.parametrize("tuner", ["random", "bayesian"])
def test_a_killed_sweep_repeats_and_loses_nothing(search, tmp_path, tuner):
    flags = {"trials": 5, "tuner": tuner}

    def kill_in_the_third(settings, epoch):
        if Training.started == ["0", "1", "2"] and epoch == 2:
            raise Killed
        return by_rate(settings, epoch)

    with pytest.raises(Killed):
        search(kill_in_the_third, **flags)
    before = status.read_trials(tmp_path)
    assert [t["status"] for t in before] == ["finished"] * 2 + ["under way"]
    code, record = search(by_rate, **flags)
    assert Training.started == ["0", "1", "2", "2", "3", "4"]
    assert record["trials"][:2] == before[:2]
    assert record["trials"][2]["values"] == before[2]["values"]
    assert [len(t["objective"]) for t in record["trials"]] == [3] * 5
    assert len(record["sessions"]) == 2
    assert len({t["values"][0] for t in record["trials"]}) == 5
    assert len(Training.trained) == len(set(Training.trained)) == 15
    for file in tmp_path.glob("oracle/trial_*/trial.json"):
        metrics = json.loads(file.read_text())["metrics"]["metrics"]
        for seen in metrics["val_top1_error"]["observations"]:
            assert len(seen["value"]) == 1  # none was told twice
    _, again = search(by_rate, **flags)
    assert again == record and len(Training.started) == 6


def test_a_kill_between_two_files_of_the_tuner_costs_no_trial(search, tmp_path):
    original = tuners.RandomOracle.save

    def killed(oracle):
        here = oracle._get_oracle_fname().startswith(str(tmp_path))
        if here and len(oracle.trials) == 2:
            raise Killed
        original(oracle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuners.RandomOracle, "save", killed)
        with pytest.raises(Killed):
            search(by_rate, trials=3)
    assert (tmp_path / "oracle" / "trial_1").exists()
    _, record = search(by_rate, trials=3)
    assert [t["status"] for t in record["trials"]] == ["finished"] * 3
    assert Training.started == ["0", "1", "2"]


def test_a_trial_that_ended_before_the_tuner_knew_is_not_run_again(search, tmp_path):
    original = tuners.Tuner.on_trial_end

    def killed(tuner, trial):
        if trial.trial_id == "1":
            raise Killed
        original(tuner, trial)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuners.Tuner, "on_trial_end", killed)
        with pytest.raises(Killed):
            search(by_rate, trials=3)
    _, record = search(by_rate, trials=3)
    assert Training.started == ["0", "1", "2"]
    assert [len(t["objective"]) for t in record["trials"]] == [3] * 3


def test_hyperband_continues_the_best_trial_from_its_checkpoint(search):
    _, record = search(by_rate, trials=6, tuner="hyperband")
    trials = record["trials"]
    short = [t for t in trials if t["epochs"] == 1]
    [longer] = [t for t in trials if t["from"] is not None]
    assert longer["from"] == min(short, key=lambda t: t["best"])["id"]
    [parent] = [t for t in short if t["id"] == longer["from"]]
    assert longer["values"] == parent["values"]
    assert [o["epoch"] for o in longer["objective"]] == [2, 3]
    assert longer["seconds"] == 4.0  # the first epoch is the parent's
    own = [epoch for trial, epoch in Training.trained if trial == longer["id"]]
    assert own == [2, 3]


def test_hyperband_with_too_few_trials_says_so(search):
    with pytest.raises(UsageError, match="first bracket takes 4"):
        search(by_rate, trials=3, tuner="hyperband")


def test_a_failed_trial_is_named_and_the_sweep_goes_on(search, capsys):
    def diverges(settings, epoch):
        if Training.started == ["0", "1"]:
            return "...\nThe loss is nan at step 7.\n"
        return by_rate(settings, epoch)

    code, record = search(diverges, trials=3)
    assert code == 0
    states = [trial["status"] for trial in record["trials"]]
    assert states == ["finished", "failed", "finished"]
    assert record["trials"][1]["reason"] == "The loss is nan at step 7."
    assert "The loss is nan" in capsys.readouterr().out


def test_three_failures_in_a_row_end_the_sweep(search, tmp_path):
    with pytest.raises(RunError, match="3 trials in a row.*Out of paper"):
        search(lambda *_: "Out of paper.", trials=9)
    assert Training.started == ["0", "1", "2"]
    record = json.loads((tmp_path / "sweep.json").read_text())
    assert record["status"] == "failed"


def test_a_failed_trial_is_tried_again_by_the_same_command(search):
    with pytest.raises(RunError):
        search(lambda *_: "Out of paper.", trials=3)
    _, record = search(by_rate, trials=3)
    states = [trial["status"] for trial in record["trials"]]
    assert states == ["failed", "failed", "finished"]
    assert "reason" not in record["trials"][2]


def test_a_full_disk_fails_no_trial_and_the_same_command_goes_on(search, tmp_path):
    def full_in_the_second(settings, epoch):
        full = Training.started[-1] == "1" and epoch == 2
        return "No space left on device" if full else by_rate(settings, epoch)

    with pytest.raises(RunError, match="trials/1: No space left on device"):
        search(full_in_the_second, trials=3)
    there = status.read_trials(tmp_path)
    assert [t["status"] for t in there] == ["finished", "under way"]
    _, record = search(by_rate, trials=3)
    assert [t["status"] for t in record["trials"]] == ["finished"] * 3
    assert Training.started == ["0", "1", "1", "2"]


FIRST_TO_FAIL = {
    "lock": (run_record.fcntl, "flock"),
    "the oracle's": (tuners, "write_text"),
    "outcome.json": (trials, "write_json"),
    "sweep.json": (status, "write_json"),
}


@pytest.mark.parametrize("name", FIRST_TO_FAIL)
def test_a_sweep_that_a_full_disk_ends_early_leaves_no_folder(name, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*FIRST_TO_FAIL[name], full)
    monkeypatch.setattr(child, "start", lambda *words: Training(*words, by_rate))
    asked = request(workdir=str(tmp_path / "s"), space=SPACE, set=["epochs=3"])
    assert exit_code(lambda: sweep.run(asked)) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_a_sweep_without_a_best_trial_has_failed(search, capsys):
    for _ in range(2):  # also if it is asked again
        with pytest.raises(RunError, match="None of the 2 .*loss is nan"):
            search(lambda *_: "The loss is nan at step 7.", trials=2)
        assert capsys.readouterr().out.count("failed: The loss is nan") == 2
    assert Training.started == ["0", "1"]


def test_the_largest_seed_has_an_oracle(search):
    _, record = search(by_rate, trials=1, seed=2**32 - 1)
    assert record["status"] == "finished"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1'])
@pytest.mark.parametrize("file", ["sweep.json", "oracle/oracle.json", "oracle/trial_0/trial.json"])
def test_a_file_that_was_cut_off_is_named(search, tmp_path, file, text):
    search(by_rate, trials=2)
    (tmp_path / file).write_text(text)
    with pytest.raises(RunError, match=f"{file} is damaged.*fresh --workdir"):
        search(by_rate, trials=3)


def test_a_trials_own_file_that_was_cut_off_is_named(search, tmp_path):
    search(by_rate, trials=2)
    (tmp_path / "trials" / "0" / "outcome.json").write_text("{")
    with pytest.raises(RunError, match="outcome.json is damaged"):
        search(by_rate, trials=3)


class Ended:
    """A worker that takes a while to end after the server has."""

    def __init__(self, polls, code):
        self.polls, self.code = polls, code

    def poll(self):
        self.polls -= 1
        return None if self.polls > 0 else self.code


@pytest.mark.parametrize("ended", [[None], []])
def test_workers_may_end_after_the_server(tmp_path, monkeypatch, ended):
    monkeypatch.setattr(workers, "POLL_SECONDS", 0)
    chief = types.SimpleNamespace(
        require_successes=lambda: None, request=types.SimpleNamespace(folder=tmp_path)
    )
    about = (chief, ended, Signals(), lambda: None)
    workers._watch([Ended(3, 0), Ended(1, 0)], *about)
    (tmp_path / "worker0.txt").write_text("Out of paper.")
    with pytest.raises(RunError, match="exit code 1: Out of paper"):
        workers._watch([Ended(2, 1)], *about)


def test_a_server_that_cannot_serve_says_why(tmp_path, monkeypatch):
    for name in workers.MEMBER[:2]:
        monkeypatch.setenv(name, "9")
    about = (None, [OSError("no port")], Signals(), lambda: None)
    with pytest.raises(RunError, match="9:9, in use.*no port"):
        workers._watch([Ended(9, 0)], *about)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_reaches_the_trial_and_the_sweep_continues(search, tmp_path, signum, code):
    def interrupted(settings, epoch):
        if len(Training.started) == 2 and epoch == 2:
            signal.raise_signal(signum)
        return by_rate(settings, epoch)

    with pytest.raises(FileNotFoundError):
        (tmp_path / "sweep.json").read_text()
    got, record = search(interrupted, trials=3)
    assert got == code and record["status"] == "stopped"
    assert [t["status"] for t in record["trials"]] == ["finished", "under way"]
    got, record = search(by_rate, trials=3)
    assert got == 0 and Training.started == ["0", "1", "1", "2"]
    assert len(record["trials"][1]["objective"]) == 3


def test_another_sweep_is_not_continued(search):
    search(by_rate, trials=1)
    with pytest.raises(RunError, match="holds another sweep: .*space"):
        search(by_rate, trials=1, space=["optimizer.mu=linear(0,1)"])
    with pytest.raises(RunError, match="seed is 0 there, 1 here"):
        search(by_rate, trials=1, seed=1)


def test_the_seed_decides_on_the_trials_also_seed_0(search, tmp_path):
    search(by_rate, trials=2)
    oracle = json.loads((tmp_path / "oracle" / "oracle.json").read_text())
    assert oracle["seed"] == 1  # of 0 keras-tuner would draw one


def test_more_trials_may_be_asked_for_later(search):
    search(by_rate, trials=2)
    _, record = search(by_rate, trials=3)
    assert len(record["trials"]) == 3
    assert Training.started == ["0", "1", "2"]


def test_a_bug_is_no_failed_trial(search):
    def bug(settings, epoch):
        raise KeyError("epoch")

    with pytest.raises(KeyError):
        search(bug, trials=2)
    assert Training.started == ["0"]


def test_tensorboard_finds_the_values_and_the_metric(search, tmp_path):
    from launch.session.board import TAGS

    search(by_rate, trials=2)
    found = {
        file.relative_to(tmp_path).as_posix().rpartition("/")[0]: data
        for file in tmp_path.rglob("events.*")
        for data in hparams_in(file)
        if data.WhichOneof("data") != "session_end_info"
    }
    experiment = found.pop("").experiment
    [field] = experiment.hparam_infos
    assert field.name == "optimizer.learning_rate"
    metrics = {metric.name.tag for metric in experiment.metric_infos}
    assert metrics <= {tag.format("held_out") for tag in TAGS.values()}
    assert set(found) == {f"trials/{i}" for i in (0, 1)}
    for trial in status.read_trials(tmp_path):
        start = found[f"trials/{trial['id']}"].session_start_info
        value = start.hparams["optimizer.learning_rate"].number_value
        assert trial["values"] == [f"optimizer.learning_rate={value:.6g}"]


def hparams_in(file):
    from tensorboard.backend.event_processing import event_file_loader
    from tensorboard.plugins.hparams import plugin_data_pb2

    for event in event_file_loader.EventFileLoader(str(file)).Load():
        for value in event.summary.value:
            content = value.metadata.plugin_data.content
            yield plugin_data_pb2.HParamsPluginData.FromString(content)


def test_a_recorded_sweep_is_a_row_of_its_own(search, tmp_path, monkeypatch):
    paper = tmp_path / "paper"
    paper.mkdir()
    reproductions.load("lenet5")  # from its own folder
    monkeypatch.setattr("reproductions.folder", lambda name: paper)
    monkeypatch.setattr("reproductions.names", lambda: ("lenet5",))
    assert sweep_records.section("lenet5") == ""
    _, record = search(by_rate, trials=2, record=True)
    search(by_rate, trials=2, record=True)
    [row] = sweep_records.file("lenet5").read()
    assert row["name"] == ("lenet5 tuned here: 2 random trials with 1 worker(s), epochs=3, float32")
    assert row["held_out_error"] == round(min(t["best"] for t in record["trials"]), 4)
    assert row["space"] == ["optimizer.learning_rate=log(0.0001,0.1)"]
    assert str(tmp_path) not in (paper / "sweeps.toml").read_text()
    text = sweep_records.section("lenet5")
    assert "held out" in text and f"{row['held_out_error']:.2f} %" in text
    assert row["paper_values"] == ["optimizer.learning_rate=0.0005"]


def test_an_unfinished_sweep_is_not_recorded(search, tmp_path):
    with pytest.raises(UsageError, match="no sweep's folder"):
        sweep_records.add(tmp_path)
    with pytest.raises(Killed):
        search(lambda *_: exec("raise Killed", globals()), trials=2)
    with pytest.raises(RunError, match="not finished"):
        sweep_records.add(tmp_path)


def test_a_worker_waits_for_the_process_of_a_killed_sweep(tmp_path):
    from common.training.run_record import lock_folder

    held, ticks = lock_folder(tmp_path), []

    def tick():
        ticks.append(1)
        held.close()

    trials._wait_until_free(tmp_path, Signals(), tick)
    assert ticks == [1]
    with lock_folder(tmp_path), pytest.raises(Stopped):
        stopped = Signals()
        stopped.received = signal.SIGTERM
        trials._wait_until_free(tmp_path, stopped, lambda: None)


def test_a_child_ends_with_its_sweep_and_tells_a_disk_from_other_faults(monkeypatch, capsys):
    asked = []
    library = types.SimpleNamespace(prctl=lambda *words: asked.append(words))
    monkeypatch.setattr(child.ctypes, "CDLL", lambda name: library)

    def full():
        raise OSError(28, "No space left on device", "metrics.csv")

    def wrong():
        raise UsageError("no such field")

    here = os.getppid()
    assert child.run(lambda: 7, here) == 7
    assert child.run(full, here) == child.NO_ROOM and child.run(wrong, here) == 2
    assert child.run(lambda: pytest.fail("its sweep is gone"), here + 1) == 75
    assert asked[0] == (child.PR_SET_PDEATHSIG, signal.SIGTERM) or sys.platform != "linux"
    assert "No space left" in capsys.readouterr().err
