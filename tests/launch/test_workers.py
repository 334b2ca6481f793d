"""Several worker processes on one machine train as one process does."""

import contextlib
import json
import os
import random
import signal
import socket
import time

import pytest

from tests.launch import test_resume
from tests.launch.test_resume import assert_same_end, checkpoint_seen, metrics, record

pytestmark = pytest.mark.full
LENET = (
    *("lenet5", "--data", "sample", "--platform", "cpu"),
    *("--set", "global_batch_size=12", "--set", "epochs=3"),
)
LONG = (*LENET[:-1], "epochs=300")


def free_ports(count):
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def start(command, folder, index, ports, *flags):
    """Worker `index` of as many as there are ports."""
    hosts = [f"127.0.0.1:{port}" for port in ports]
    config = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
    return test_resume.start(command, folder, *flags, TF_CONFIG=json.dumps(config))


def start_all(command, folder, count, *flags):
    ports = free_ports(count)
    return [start(command, folder, i, ports, *flags) for i in range(count)]


def ends(processes, timeout=300):
    """(exit code, output) of each."""
    try:
        outputs = [p.communicate(timeout=timeout)[0] for p in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, o) for p, o in zip(processes, outputs, strict=True)]


def finish(processes):
    for code, output in (done := ends(processes)):
        assert code == 0, output[-3000:]
    return [output for _, output in done]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    test_resume.finish(test_resume.start(LENET, folder))
    return folder


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    return folder, finish(start_all(LENET, folder, 3))


def assert_same_curve(one, other):
    assert len(metrics(one)) == len(metrics(other)) == 3
    for a, b in zip(metrics(one), metrics(other), strict=True):
        for key in ("loss", "val_loss"):
            assert a[key] == pytest.approx(b[key], rel=1e-5)
        for key in ("top1_error", "val_top1_error", "learning_rate", "step"):
            assert a[key] == b[key]


def test_two_workers_have_the_curve_of_one_process(alone, tmp_path):
    finish(start_all(LENET, tmp_path, 2))
    assert_same_curve(alone, tmp_path)


def test_three_workers_have_it_and_only_the_chief_speaks(alone, three):
    folder, (chief, *others) = three
    assert_same_curve(alone, folder)
    assert "epoch 3/3" in chief and others == ["", ""]
    (result,) = record(folder)["results"]
    assert result["num_images"] == 360  # the whole split, once
    (session,) = record(folder)["sessions"]
    assert session["workers"] == session["devices"] == 3


@pytest.mark.parametrize("victim", [0, 2], ids=["chief", "another"])
def test_a_lost_worker_is_reported_and_the_run_goes_on(three, tmp_path, victim):
    flags = ("--checkpoint_minutes", "0")
    processes = start_all(LENET, tmp_path, 3, *flags)
    assert checkpoint_seen(processes[0], tmp_path)
    time.sleep(random.uniform(0, 1))
    processes[victim].kill()
    began = time.monotonic()
    left = [p for i, p in enumerate(processes) if i != victim]
    for code, output in ends(left, timeout=90):
        assert code == 69, output[-3000:]
        assert "has lost another" in output and "Traceback" not in output
        assert "same command on all hosts" in output
    assert time.monotonic() - began < 60
    chief, *_ = finish(start_all(LENET, tmp_path, 3))
    assert "Continues from step" in chief
    assert_same_end(three[0], tmp_path)


def test_a_worker_that_hangs_is_reported(tmp_path):
    processes = start_all(LONG, tmp_path, 2, "--checkpoint_minutes", "0")
    assert checkpoint_seen(processes[0], tmp_path)
    processes[1].send_signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        ((code, output),) = ends(processes[:1], timeout=90)
    finally:
        processes[1].kill()
    assert code == 69, output[-3000:]
    assert "has lost another" in output and "Traceback" not in output
    assert time.monotonic() - began < 60


def test_workers_begin_with_the_weights_of_another_network(tmp_path):
    """VGG's B begins with layers of A, which the same command trains first."""
    settings = ("image_size=32", "global_batch_size=64", "epochs=1")
    command = ("vgg13", "--data", "sample", "--platform", "cpu")
    command += tuple(f"--set={setting}" for setting in settings)
    test_resume.finish(test_resume.start(command, tmp_path / "alone"))
    finish(start_all(command, tmp_path / "two", 2))
    for folder in ("", "begins_with_vgg11"):
        (one,), (two,) = (metrics(tmp_path / run / folder) for run in ("alone", "two"))
        for key in ("loss", "val_loss"):
            assert one[key] == pytest.approx(two[key], rel=1e-5)


def test_a_signal_to_one_worker_stops_all_at_the_same_step(tmp_path):
    processes = start_all(LONG, tmp_path, 2)
    while not (line := processes[0].stdout.readline()).startswith("epoch 1/"):
        assert line, "it ended before it had trained an epoch"
    os.kill(processes[1].pid, signal.SIGTERM)
    (code, output), other = ends(processes, timeout=60)
    assert code == 75 and "The same command continues" in output
    assert other == (75, "")


def test_workers_with_other_commands_all_refuse(tmp_path):
    ports = free_ports(2)
    commands = (LENET, (*LENET[:-1], "epochs=2"))
    processes = [start(command, tmp_path / "run", i, ports) for i, command in enumerate(commands)]
    for code, output in ends(processes):
        assert code == 2 and "Worker 1 has another command" in output
    assert not (tmp_path / "run").exists()


def test_who_does_not_come_is_named(tmp_path):
    ports = free_ports(2)
    process = start(LENET, tmp_path, 0, ports)
    line = process.stdout.readline()
    (ended,) = ends([process], timeout=1) if not line else (None,)
    process.kill()
    assert ended is None
    assert f"no answer from 127.0.0.1:{ports[1]}" in line


def test_a_dry_run_tells_the_workers_and_needs_none(tmp_path):
    hosts = '["a:1", "b:1", "c:1"]'
    config = f'{{"cluster": {{"worker": {hosts}}}, "task": {{"type": "worker", "index": 1}}}}'
    said = test_resume.finish(test_resume.start(LENET, tmp_path, "--dry_run", TF_CONFIG=config))
    assert "3: a:1, b:1, c:1" in said
    assert "12 = 3 workers x 1 devices" in said
