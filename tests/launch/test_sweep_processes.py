"""Sweeps with real trainings: minutes."""

import json
import os
import random
import signal
import socket
import time
from unittest import mock

import pytest

from launch.sweep.sweep_request import MEMBER
from tests.launch.test_resume import assert_same_end, checkpoint_seen, finish, record, start

BASE = (*("lenet5", "--data", "sample", "--platform", "cpu"), *("--set", "global_batch_size=48"))
SWEEP = ("sweep", *BASE, "--set", "epochs=2", "--trials", "3")


def sweep_json(folder):
    return json.loads((folder / "sweep.json").read_text())


def results(folder):
    return [
        (t["id"], t["values"], t["objective"], t["status"]) for t in sweep_json(folder)["trials"]
    ]


@pytest.mark.full
def test_killed_at_random_moments_it_ends_the_same(tmp_path):
    finish(start(SWEEP, tmp_path / "whole"))
    broken = tmp_path / "broken"
    for trial in ("0", "2"):
        process = start(SWEEP, broken, "--checkpoint_minutes", "0")
        assert checkpoint_seen(process, broken / "trials" / trial), process.stdout.read()
        time.sleep(random.uniform(0, 1))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    finish(start(SWEEP, broken, "--checkpoint_minutes", "0"))
    assert results(broken) == results(tmp_path / "whole")
    for trial in ("0", "1", "2"):
        assert_same_end(broken / "trials" / trial, tmp_path / "whole" / "trials" / trial)
    assert len(record(broken / "trials" / "1")["sessions"]) == 1


@pytest.mark.full
def test_sigterm_stops_the_trial_too_and_exits_75(tmp_path):
    process = start((*SWEEP[:-3], "epochs=200", *SWEEP[-2:]), tmp_path)
    trial = tmp_path / "trials" / "0"
    assert checkpoint_seen(process, trial), process.stdout.read()
    os.kill(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 75 and "Traceback" not in output
    assert "The same command continues" in " ".join(output.split())
    assert record(trial)["sessions"][-1]["reason"] == "SIGTERM"


@pytest.mark.full
def test_a_continued_trial_is_the_longer_training_bit_for_bit(tmp_path):
    words = ("sweep", *BASE, "--set", "epochs=3", "--tuner", "hyperband")
    finish(start((*words, "--trials", "4"), tmp_path))
    trials = sweep_json(tmp_path)["trials"]
    [longer] = [t for t in trials if t["from"] is not None]
    same = [word for word in longer["words"] if "--workdir" not in word]
    assert "--set=epochs=3" in same
    finish(start(same, tmp_path / "at_once"))
    assert_same_end(tmp_path / "trials" / longer["id"], tmp_path / "at_once")
    output = (tmp_path / "trials" / longer["id"] / "output.txt").read_text()
    assert "Continues from step" in output


@pytest.mark.full
def test_two_workers_share_a_sweep_and_a_kill_of_all_loses_nothing(tmp_path):
    words = (*SWEEP[:-1], "4", "--workers", "2", "--checkpoint_minutes", "0")
    process = start(words, tmp_path)
    assert checkpoint_seen(process, tmp_path / "trials" / "2"), process.stdout.read()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = results(tmp_path)
    finish(start(words, tmp_path))
    trials = sweep_json(tmp_path)["trials"]
    assert [t["status"] for t in trials] == ["finished"] * 4
    assert [len(t["objective"]) for t in trials] == [2] * 4
    assert {t["worker"] for t in trials} == {"worker0", "worker1"}
    for done in before:
        assert done[3] != "finished" or done in results(tmp_path)


@pytest.mark.full
def test_workers_on_several_hosts_find_the_chief_by_the_environment(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def member(name):
        address = dict(zip(MEMBER, ("127.0.0.1", str(port), name), strict=True))
        with mock.patch.dict(os.environ, address):
            return start(SWEEP, tmp_path)

    for process in [member("chief"), member("host0"), member("host1")]:
        finish(process)
    assert {t["status"] for t in sweep_json(tmp_path)["trials"]} == {"finished"}
