"""Whatever kills a run, it ends the same or says what to do."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.launch.flags import run_alone
from tests.launch.test_resume import LENET, finish, record, start

KILLS = int(os.environ.get("FAULT_KILLS", 200))
SECONDS = 60  # for each kill, on a busy machine


@pytest.mark.full
@pytest.mark.timeout(SECONDS * (KILLS + 10))
def test_killed_at_random_moments_every_run_ends_the_same(tmp_path):
    """FAULT_KILLS=10 makes ten; the seed is printed, for another try."""
    words = ("-m", "tests.launch.killed_runs", tmp_path, KILLS)
    done = run_alone(*words, capture_output=False, stdout=subprocess.PIPE)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == [], found
    assert sum(found["kills"].values()) == KILLS
    if KILLS >= 100:
        assert len(found["kills"]) == 4 and found["runs"] >= 10, found


@pytest.mark.full
def test_a_half_written_checkpoint_is_ignored_with_a_message(tmp_path):
    finish(start(LENET, tmp_path))
    newest, before = sorted((tmp_path / "checkpoints").iterdir(), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-1000])
    torn = newest.with_name(f".{newest.name}.1.part")  # of a killed process
    torn.write_bytes(b"PK")
    output = finish(start(LENET, tmp_path))
    assert f"Ignored: {newest.name}" in output
    assert f"Continues from step {int(before.stem[5:]):,}" in output
    assert newest.name in record(tmp_path)["damaged_checkpoints"][0]
    assert not torn.exists()


@pytest.mark.full
def test_a_full_disk_is_an_error_and_room_is_all_it_takes(tmp_path):
    """A file size limit stands in for the full disk."""
    folder = tmp_path / "run"
    limited = subprocess.run(
        ["bash", "-c", 'ulimit -f 300; trap "" XFSZ; exec "$@"', "-"]
        + [sys.executable, "-m", "launch", *LENET, "--workdir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert limited.returncode == 1, limited.stderr
    assert "could not be written" in limited.stderr
    assert "run the same command again" in limited.stderr
    assert "Traceback" not in limited.stderr
    finish(start(LENET, folder))


@pytest.mark.full
def test_a_loss_of_nan_ends_with_the_step_and_what_to_do(tmp_path):
    command = ("alexnet_as_run", "--data", "sample", "--platform", "cpu")
    settings = ("image_size=67", "optimizer.learning_rate=1e30", "epochs=2")
    process = start(command, tmp_path, *(f"--set={s}" for s in settings))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1 and "Traceback" not in output
    assert "training has diverged" in output and "learning_rate" in output
    for file in (tmp_path / "checkpoints").glob("step-*.npz"):
        with np.load(file) as arrays:
            assert all(np.isfinite(arrays[name]).all() for name in arrays)


@pytest.mark.full
def test_max_hours_stops_at_a_checkpoint_with_code_75(tmp_path):
    long = (*LENET[:-1], "epochs=200", "--max_hours", "0.01")
    process = start(long, tmp_path)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 75, output
    assert "The same command continues" in output
    assert record(tmp_path)["sessions"][0]["reason"] == "--max_hours"
    assert list((tmp_path / "checkpoints").glob("step-*.npz"))


def test_a_signal_of_time_comes_once_and_not_after():
    from common.training.signals import Signals

    with Signals(0.01) as signals:
        signal.sigtimedwait([], 0.1)
        assert signals.received == signal.SIGALRM
    with Signals(60) as signals:
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 50
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
