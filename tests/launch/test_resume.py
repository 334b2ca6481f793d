"""A run that dies continues to the same end, bit for bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from tests.conftest import ROOT

LENET = (*("lenet5", "--data", "sample", "--set", "train_images=500"), *("--set", "epochs=3"))
ALEXNET = (
    *("alexnet_as_run", "--data", "sample", "--platform", "cpu"),
    *("--set", "epochs=2", "--set", "image_size=67"),
    *("--set", "train_images=512"),
)
TWO_DEVICES = (*ALEXNET, "--gpus", "2")
TWO_NORMALIZED = (  # whose averages each device moves
    *("cifar_resnet20", "--data", "sample", "--platform", "cpu", "--gpus", "2"),
    *("--set", "train_images=64", "--set", "global_batch_size=16", "--set", "epochs=3"),
)
FINE_TUNED = (
    *("cifar_resnet20", "--from", "cifar_resnet20", "--freeze", "conv1,stage1_"),
    *("--body_rate", "0.1", "--data", "sample", "--set", "updates=40", "--platform", "cpu"),
    *("--set", "global_batch_size=16"),
)
COMPILED = ("--platform", "cpu", "--jit_compile")
COMPILED_ALEXNET = (
    *("alexnet", *COMPILED, "--data", "sample", "--set", "image_size=67"),
    *("--set", "global_batch_size=16", "--set", "updates=60"),
)
COMPILED_GOOGLENET = (
    *("googlenet", *COMPILED, "--data", "sample", "--set", "image_size=65"),
    *("--set", "global_batch_size=4", "--set", "updates=60"),
)
COMPILED_RESNET = (
    *("cifar_resnet20", *COMPILED, "--set", "global_batch_size=16"),
    *("--set", "updates=60", "--set", "held_out=500"),
)


def start(command, folder, *flags, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "launch", *command, "--workdir", str(folder), *flags],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output[-3000:]
    return output


def checkpoint_seen(process, folder, known=()):
    """Waits for a checkpoint that is not in `known`; False if it ended."""
    while process.poll() is None:
        if set(names := checkpoint_names(folder)) - set(known):
            return names
        time.sleep(0.02)
    return False


def checkpoint_names(folder):
    return [f.name for f in (folder / "checkpoints").glob("step-*.npz")]


def weights(folder):
    found = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = np.array(item)

    with h5py.File(folder / "final.weights.h5") as file:
        file.visititems(collect)
    return found


def metrics(folder):
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(row) | {"seconds": None} for row in rows]


def record(folder):
    return json.loads((folder / "run.json").read_text())


def assert_same_end(one, other):
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys() and a
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert metrics(one) == metrics(other)
    assert record(one)["results"] == record(other)["results"]


@pytest.mark.full
@pytest.mark.parametrize(
    ("command", "kills"),
    [
        pytest.param(LENET, 1, id="lenet5"),
        pytest.param(ALEXNET, 1, id="alexnet"),
        pytest.param(FINE_TUNED, 2, id="fine-tuned"),
        pytest.param(TWO_DEVICES, 3, id="two devices"),
        pytest.param(TWO_NORMALIZED, 2, id="two devices with batch normalisation"),
        pytest.param(COMPILED_ALEXNET, 2, id="compiled alexnet"),
        pytest.param(COMPILED_GOOGLENET, 2, id="compiled googlenet"),
    ],
)
def test_killed_at_random_steps_it_ends_the_same(tmp_path, command, kills):
    assert_killed_it_ends_the_same(tmp_path, command, kills)


@pytest.mark.full
def test_killed_at_random_steps_a_compiled_resnet_ends_the_same(tmp_path, shared_data):
    data = ("--data_dir", str(shared_data / "tfds"))
    assert_killed_it_ends_the_same(tmp_path, (*COMPILED_RESNET, *data), kills=2)


@pytest.mark.full
def test_killed_in_a_longer_end_it_ends_the_same(tmp_path):
    first = (*LENET[:-1], "epochs=1")
    assert_killed_it_ends_the_same(tmp_path, LENET, kills=2, first=first)


def assert_killed_it_ends_the_same(folder, command, kills, first=None):
    """`first` is a command that the same run has ended by before."""
    whole, broken, known = folder / "whole", folder / "broken", ()
    finish(start(command, whole))
    if first:
        finish(start(first, broken))
        known = checkpoint_names(broken)
    for _ in range(kills):
        process = start(command, broken, "--checkpoint_minutes", "0")
        known = checkpoint_seen(process, broken, known)
        assert known, "it ended before it could be killed"
        time.sleep(random.uniform(0, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        known = checkpoint_names(broken)
    output = finish(start(command, broken))
    assert "Continues from step" in output
    assert len(record(broken)["sessions"]) == kills + 1 + bool(first)
    assert_same_end(whole, broken)


def test_sigterm_writes_a_checkpoint_and_exits_75_within_30_seconds(tmp_path):
    small = ("--set", "train_images=500", "--set", "epochs=200", "--nojit_compile")
    process = start(("mnist_300", "--data", "sample", *small), tmp_path)
    # A line with a colon ends an epoch; on a slow machine others come before.
    while not (line := process.stdout.readline()).startswith("epoch 1/200: "):
        assert line, "it ended before it had trained an epoch"
    os.kill(process.pid, signal.SIGTERM)
    began = time.monotonic()
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() - began < 30
    assert process.returncode == 75
    assert "The same command continues" in output
    assert "Traceback" not in output
    assert len(checkpoint_names(tmp_path)) == 2  # the first epoch's, and this
    assert record(tmp_path)["sessions"][0]["reason"] == "SIGTERM"
