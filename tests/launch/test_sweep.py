"""What a sweep does with its trials, whose trainings are made up."""

import errno
import itertools
import json
import os
import signal
import subprocess
import sys
from unittest import mock

import pytest

import reproductions
from common.errors import RunError, UsageError
from common.training import run_record
from common.training.signals import Signals, Stopped
from launch.report import sweep_records
from launch.sweep import child, status, trials, tuners, workers
from launch.terminal.exits import exit_code
from tests.launch.sweep_fakes import Training, by_rate, request, search


class Killed(BaseException):
    """A SIGKILL, as far as the files can tell."""


def kill(*_):
    raise Killed


def states(record):
    return [trial["status"] for trial in record["trials"]]


@pytest.fixture(autouse=True)
def _no_training_yet():
    Training.started, Training.trained = [], []


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished sweep's folder, which no test changes for the next."""
    folder = tmp_path_factory.mktemp("finished")
    assert search(folder, by_rate, trials=3)[0] == 0
    return folder


def test_the_best_epoch_of_a_trial_is_its_objective(finished, capsys):
    code, record = search(finished, by_rate, trials=3)  # told again, not run again
    assert code == 0 and record["status"] == "finished" and not Training.started
    for trial in record["trials"]:
        assert trial["best"] == by_rate(dict([trial["values"][0].split("=")]), 1)
        assert len(trial["objective"]) == 3 and trial["seconds"] == 6.0
    best = min(record["trials"], key=lambda trial: trial["best"])
    assert record["best"] == best["id"]
    assert record["in_full"].endswith(f"lenet5 --data=sample --set {best['values'][0]}")
    shown = capsys.readouterr().out
    assert record["in_full"] in shown
    assert "the test split was not looked at" in shown


@pytest.mark.parametrize(("tuner", "asked"), [("random", 5), ("bayesian", 4)])
def test_a_killed_sweep_repeats_and_loses_nothing(tmp_path, tuner, asked):
    def kill_in_the_third(settings, epoch):
        if Training.started == ["0", "1", "2"] and epoch == 2:
            raise Killed
        return by_rate(settings, epoch)

    with pytest.raises(Killed):
        search(tmp_path, kill_in_the_third, trials=asked, tuner=tuner)
    before = status.read_trials(tmp_path)
    assert [t["status"] for t in before] == ["finished"] * 2 + ["under way"]
    _, record = search(tmp_path, by_rate, trials=asked, tuner=tuner)
    assert Training.started == ["0", "1", "2", "2", "3", "4"][: asked + 1]
    assert record["trials"][:2] == before[:2]
    assert record["trials"][2]["values"] == before[2]["values"]
    assert [len(t["objective"]) for t in record["trials"]] == [3] * asked
    assert len(record["sessions"]) == 2
    assert len({t["values"][0] for t in record["trials"]}) == asked
    assert len(Training.trained) == len(set(Training.trained)) == 3 * asked
    for file in tmp_path.glob("oracle/trial_*/trial.json"):
        metrics = json.loads(file.read_text())["metrics"]["metrics"]
        for seen in metrics["val_top1_error"]["observations"]:
            assert len(seen["value"]) == 1  # none was told twice


def test_a_kill_between_two_files_costs_no_trial(tmp_path):
    save, end = tuners.RandomOracle.save, tuners.Tuner.on_trial_end

    def save_one(oracle):  # the second trial's own file is there, the oracle's is not
        return kill() if len(oracle.trials) == 2 else save(oracle)

    def end_one(tuner, trial):  # the second training has ended, and the tuner does not know
        return kill() if trial.trial_id == "1" else end(tuner, trial)

    with mock.patch.object(tuners.RandomOracle, "save", save_one), pytest.raises(Killed):
        search(tmp_path, by_rate, trials=3)
    assert (tmp_path / "oracle" / "trial_1").exists()
    with mock.patch.object(tuners.Tuner, "on_trial_end", end_one), pytest.raises(Killed):
        search(tmp_path, by_rate, trials=3)
    _, record = search(tmp_path, by_rate, trials=3)
    assert Training.started == ["0", "1", "2"] and states(record) == ["finished"] * 3
    assert [len(t["objective"]) for t in record["trials"]] == [3] * 3
    _, record = search(tmp_path, by_rate, trials=4)  # more may be asked for later
    assert Training.started == ["0", "1", "2", "3"] and len(record["trials"]) == 4


def test_hyperband_continues_the_best_trial_from_its_checkpoint(tmp_path):
    flags = {"trials": 6, "tuner": "hyperband"}
    _, record = search(tmp_path, by_rate, **flags)
    short = [t for t in record["trials"] if t["epochs"] == 1]
    [longer] = [t for t in record["trials"] if t["from"] is not None]
    parent = min(short, key=lambda t: t["best"])
    assert longer["from"] == parent["id"] and longer["values"] == parent["values"]
    assert [o["epoch"] for o in longer["objective"]] == [2, 3]
    assert longer["seconds"] == 4.0  # the first epoch is the parent's
    own = [epoch for trial, epoch in Training.trained if trial == longer["id"]]
    assert own == [2, 3]
    _, record = search(tmp_path / "few", by_rate, trials=3, tuner="hyperband")
    assert [t["epochs"] for t in record["trials"]] == [1, 1, 1]


def test_a_failed_trial_is_named_and_the_sweep_goes_on(tmp_path, capsys):
    def diverges(settings, epoch):
        if Training.started == ["0", "1"]:
            return "...\nThe loss is nan at step 7.\n"
        return by_rate(settings, epoch)

    code, record = search(tmp_path, diverges, trials=3)
    assert code == 0 and states(record) == ["finished", "failed", "finished"]
    assert record["trials"][1]["reason"] == "The loss is nan at step 7."
    assert "The loss is nan" in capsys.readouterr().out


def test_three_failures_in_a_row_end_the_sweep_and_the_third_is_tried_again(tmp_path):
    with pytest.raises(RunError, match="3 trials in a row.*Out of paper"):
        search(tmp_path, lambda *_: "Out of paper.", trials=3)
    assert Training.started == ["0", "1", "2"]
    assert json.loads((tmp_path / "sweep.json").read_text())["status"] == "failed"
    _, record = search(tmp_path, by_rate, trials=3)
    assert states(record) == ["failed", "failed", "finished"]
    assert "reason" not in record["trials"][2]


def test_a_full_disk_fails_no_trial_and_the_same_command_goes_on(tmp_path):
    def full_in_the_second(settings, epoch):
        full = Training.started[-1] == "1" and epoch == 2
        return "No space left on device" if full else by_rate(settings, epoch)

    with pytest.raises(RunError, match="trials/1: No space left on device"):
        search(tmp_path, full_in_the_second, trials=2)
    assert [t["status"] for t in status.read_trials(tmp_path)] == ["finished", "under way"]
    _, record = search(tmp_path, by_rate, trials=2)
    assert states(record) == ["finished"] * 2 and Training.started == ["0", "1", "1"]


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
    assert exit_code(lambda: search(tmp_path / "s", by_rate)) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_a_sweep_without_a_best_trial_has_failed(tmp_path, capsys):
    for _ in range(2):  # also if it is asked again
        with pytest.raises(RunError, match="None of the 2 .*loss is nan"):
            search(tmp_path, lambda *_: "The loss is nan at step 7.", trials=2)
        assert capsys.readouterr().out.count("failed: The loss is nan") == 2
    assert Training.started == ["0", "1"]


DAMAGED = {
    "sweep.json": "fresh --workdir",
    "oracle/oracle.json": "fresh --workdir",
    "oracle/trial_0/trial.json": "fresh --workdir",
    "trials/0/outcome.json": "Remove it",
}


@pytest.mark.parametrize("file", DAMAGED)
def test_a_file_that_was_cut_off_is_named(finished, file):
    whole = (finished / file).read_text()
    for text in ("", "[]", '{"a": 1'):
        (finished / file).write_text(text)
        with pytest.raises(RunError, match=f"{file} is damaged.*{DAMAGED[file]}"):
            search(finished, by_rate, trials=4)
    (finished / file).write_text(whole)


def worker(polls, code):
    """A process that has ended when it is asked for the `polls`th time."""
    codes = itertools.chain([None] * (polls - 1), itertools.repeat(code))
    return mock.Mock(poll=codes.__next__)


@pytest.mark.parametrize("ended", [[None], []])
def test_workers_may_end_after_the_server(tmp_path, monkeypatch, ended):
    monkeypatch.setattr(workers, "POLL_SECONDS", 0)
    chief = mock.Mock(**{"request.folder": tmp_path})

    def wait(*those, chief=chief, ended=ended):
        workers._wait(list(those), chief, ended, lambda: None)

    wait(worker(3, 0), worker(1, 0))
    (tmp_path / "worker0.txt").write_text("Out of paper.")
    with pytest.raises(RunError, match="exit code 1: Out of paper"):
        wait(worker(2, 1))
    with pytest.raises(Stopped):
        wait(worker(1, 75))
    for name in workers.MEMBER[:2]:
        monkeypatch.setenv(name, "9")
    with pytest.raises(RunError, match="9:9, in use.*no port"):
        wait(worker(9, 0), chief=None, ended=[OSError("no port")])


def test_a_worker_is_the_sweeps_own_command_as_a_member(tmp_path, monkeypatch):
    start = mock.Mock(side_effect=lambda *_: worker(1, 0))
    monkeypatch.setattr(workers, "Tuner", mock.Mock())
    monkeypatch.setattr(child, "start", start)
    monkeypatch.setattr(sys, "argv", ["launch", "sweep", "lenet5", "--workers", "2"])
    for name in workers.MEMBER:
        monkeypatch.setenv(name, "")  # to be restored
    asked = request(workdir=str(tmp_path), workers=2, platform="cpu")
    workers.serve(asked, lambda: None)
    assert workers.read_role() == "chief"
    addresses = set()
    for number, call in enumerate(start.call_args_list):
        words, _, environment = call.args
        one = ["sweep", "lenet5", "--workers", "2", "--workers=1", f"--workdir={tmp_path}"]
        assert words == one
        assert environment["KERASTUNER_TUNER_ID"] == f"worker{number}"
        addresses.add(tuple(environment[name] for name in workers.MEMBER[:2]))
    assert start.call_count == 2 and len(addresses) == 1


def test_signals_reach_the_trial_and_the_sweep_continues(tmp_path):
    for signum, code in {signal.SIGTERM: 75, signal.SIGINT: 130}.items():

        def interrupted(settings, epoch, signum=signum):
            if "1" in Training.started and epoch > 1:
                signal.raise_signal(signum)
            return by_rate(settings, epoch)

        got, record = search(tmp_path, interrupted, trials=3)
        assert got == code and record["status"] == "stopped"
        assert states(record) == ["finished", "under way"]
    got, record = search(tmp_path, by_rate, trials=3)
    assert got == 0 and Training.started == ["0", "1", "1", "1", "2"]
    assert len(record["trials"][1]["objective"]) == 3


def test_another_sweep_is_not_continued(finished):
    with pytest.raises(RunError, match="holds another sweep: .*space"):
        search(finished, by_rate, space=["optimizer.mu=linear(0,1)"])
    with pytest.raises(RunError, match="seed is 0 there, 1 here"):
        search(finished, by_rate, seed=1)


def test_the_seed_decides_on_the_trials_also_seed_0():
    assert tuners.make_oracle(request()).seed == 1  # of 0 keras-tuner would draw one
    largest = tuners.make_oracle(request(seed=2**32 - 2))
    assert largest.seed < 2**32 and largest.populate_space("0")["values"]
    assert 0 < tuners.make_oracle(request(seed=2**32 - 1)).seed < 2**32


def test_a_bug_is_no_failed_trial(tmp_path):
    def bug(settings, epoch):
        raise KeyError("epoch")

    with pytest.raises(KeyError):
        search(tmp_path, bug, trials=2)
    assert Training.started == ["0"]


def test_tensorboard_finds_the_values_and_the_metric(finished):
    from launch.session.board import TAGS

    found = {
        file.relative_to(finished).as_posix().rpartition("/")[0]: data
        for file in finished.rglob("events.*")
        for data in hparams_in(file)
    }
    experiment = found.pop("").experiment
    [field] = experiment.hparam_infos
    assert field.name == "optimizer.learning_rate"
    metrics = {metric.name.tag for metric in experiment.metric_infos}
    assert metrics <= {tag.format("held_out") for tag in TAGS.values()}
    assert set(found) == {f"trials/{i}" for i in (0, 1, 2)}
    for trial in status.read_trials(finished):
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


def test_a_recorded_sweep_is_a_row_of_its_own(finished, tmp_path, monkeypatch):
    reproductions.load("lenet5")  # from its own folder
    monkeypatch.setattr("reproductions.folder", lambda name: tmp_path)
    monkeypatch.setattr("reproductions.names", lambda: ("lenet5",))
    assert sweep_records.section("lenet5") == ""
    for _ in range(2):
        _, record = search(finished, by_rate, trials=3, record=True)
    [row] = sweep_records.file("lenet5").read()
    assert row["name"] == ("lenet5 tuned here: 3 random trials with 1 worker(s), epochs=3, float32")
    assert row["held_out_error"] == round(min(t["best"] for t in record["trials"]), 4)
    assert row["space"] == ["optimizer.learning_rate=log(0.0001,0.1)"]
    assert str(finished) not in (tmp_path / "sweeps.toml").read_text()
    text = sweep_records.section("lenet5")
    assert "held out" in text and f"{row['held_out_error']:.2f} %" in text
    assert row["paper_values"] == ["optimizer.learning_rate=0.0005"]
    assert row["epochs"] == 3


def test_a_trial_has_the_epochs_that_it_trained(tmp_path, monkeypatch, capsys):
    """Which may be searched, or end early by updates or patience."""
    monkeypatch.setattr("reproductions.folder", lambda name: tmp_path)
    flags = {"space": ["epochs=choice(1,2)"], "set": [], "trials": 2, "record": True}
    search(tmp_path / "sweep", lambda _, epoch: 9.0 - epoch, **flags)
    table = [line.split() for line in capsys.readouterr().out.splitlines() if " % " in line]
    assert [line[1:4] for line in table] == [["2", "2", "7.00"], ["1", "1", "8.00"]]
    [row] = sweep_records.file("lenet5").read()
    assert row["best"] == ["epochs=2"] and row["epochs"] == 2


def test_a_worker_waits_for_the_process_of_a_killed_sweep(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "POLL_SECONDS", 0)
    watch = mock.Mock(side_effect=run_record.lock_folder(tmp_path).close)
    trials._wait_until_free(tmp_path, watch)
    watch.assert_called_once_with()
    with run_record.lock_folder(tmp_path), pytest.raises(Stopped):
        trials._wait_until_free(tmp_path, mock.Mock(side_effect=Stopped(signal.SIGTERM, 0)))


def test_a_signal_to_sweep_and_starting_trial_together_fails_no_trial(tmp_path, monkeypatch):
    """Between two looks at the trial, which has no handler yet."""
    waiting = [sys.executable, "-c", "import time; time.sleep(60)"]

    def start(words, output, env):
        output.write_text("")
        return subprocess.Popen(waiting)

    started = []
    monkeypatch.setattr(child, "start", lambda *given: started.append(start(*given)) or started[0])
    monkeypatch.setattr(trials.time, "sleep", lambda seconds: kill_both(started[0]))
    with Signals() as signals, pytest.raises(Stopped):
        list(trials._watched(tmp_path, [], 0, signals.watched(lambda: None)))


def kill_both(process):
    process.terminate()
    process.wait()
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_child_ends_with_its_sweep_and_tells_a_disk_from_other_faults(monkeypatch, capsys):
    library = mock.Mock()
    monkeypatch.setattr(child.ctypes, "CDLL", lambda name: library)

    def full():
        raise OSError(28, "No space left on device", "metrics.csv")

    def wrong():
        raise UsageError("no such field")

    here = os.getppid()
    assert child.run(lambda: 7, here) == 7
    assert child.run(full, here) == child.NO_ROOM and child.run(wrong, here) == 2
    assert child.run(lambda: pytest.fail("its sweep is gone"), here + 1) == 75
    library.prctl.assert_called_with(child.PR_SET_PDEATHSIG, signal.SIGTERM)
    assert "No space left" in capsys.readouterr().err
