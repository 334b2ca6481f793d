"""On a GPU: the training of the CPU, killed ones that go on, and every paper's network.

    pytest -m gpu -n 6 tests/launch/test_gpu.py

Each is programs of its own, which share the card. FIRST_UPDATES_ON=cpu tries the tests
themselves where there is no GPU.
"""

import json
import os

import numpy as np
import pytest

import reproductions
from tests.common.data_fixtures import noise_image, write_image
from tests.launch.flags import run_alone
from tests.launch.test_resume import (
    COMPILED_ALEXNET,
    COMPILED_GOOGLENET,
    assert_killed_it_ends_the_same,
)

DEVICE = os.environ.get("FIRST_UPDATES_ON", "gpu")
SMALLER = {  # batches that a CPU makes, too, in minutes
    "lenet5": ("global_batch_size=4",),
    "cifar_resnet20": ("global_batch_size=32",),
    # The rate is that of 128 images, in proportion: 0.01 blows the loss of 8 up to 11
    # in these updates, and the last bits with it.
    "alexnet": ("global_batch_size=8", "optimizer.learning_rate=0.000625"),
}
RESNET = ("cifar_resnet20", "--platform", "cpu", "--jit_compile", "--data", "sample")
RESNET += ("--set", "global_batch_size=16", "--set", "updates=60")


def run(module, *words):
    done = run_alone("-m", module, *words)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def first_updates(name, folder, *settings, platform=DEVICE, gpus=1):
    data = os.environ.get("TFDS_DATA_DIR")
    where = f"data_dir={data}" if data and name != "alexnet" else "data=sample"
    said = run("tests.launch.first_updates", name, platform, gpus, folder, where, *settings)
    return json.loads(said.splitlines()[-1])


@pytest.mark.gpu
@pytest.mark.parametrize("name", SMALLER)
def test_the_same_seed_is_the_same_training_as_on_a_cpu(name, tmp_path):
    settings = SMALLER[name]
    gpu = first_updates(name, tmp_path / "gpu", *settings)
    cpu = first_updates(name, tmp_path / "cpu", *settings, platform="cpu")
    assert gpu["weights"] == cpu["weights"]
    assert gpu["batch"] == cpu["batch"]
    np.testing.assert_allclose(gpu["losses"], cpu["losses"], rtol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["alexnet", "lenet5"])
def test_two_devices_on_one_card_make_the_curve_of_one(name, tmp_path):
    settings = SMALLER[name]
    one = first_updates(name, tmp_path / "one", *settings)
    two = first_updates(name, tmp_path / "two", *settings, gpus=2)
    assert one["weights"] == two["weights"]
    np.testing.assert_allclose(one["losses"], two["losses"], rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("command", [RESNET, COMPILED_ALEXNET, COMPILED_GOOGLENET])
def test_killed_at_a_random_step_it_ends_the_same(command, tmp_path):
    here = [DEVICE if word == "cpu" else word for word in command]
    assert_killed_it_ends_the_same(tmp_path, here, kills=1)


@pytest.mark.gpu
@pytest.mark.parametrize("paper", reproductions.names())
def test_every_papers_network_trains_continues_evaluates_and_predicts(paper, tmp_path):
    """10 updates, 10 more, the errors, and an answer for a photograph."""
    name = next(iter(reproductions.load(paper).RECIPES))
    folder, photograph = tmp_path / "run", tmp_path / "photograph.jpg"
    write_image(photograph, noise_image(300, 320))
    on = ("--data", "sample", "--workdir", folder, "--platform", DEVICE)
    for updates in (10, 20):
        small = ("--set", "global_batch_size=16", "--set", f"updates={updates}")
        run("launch", name, *on, *small)
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished" and record["peak_bytes"] > 0
    assert len(record["sessions"]) == 2
    trained = ("--weights", folder, "--platform", DEVICE)
    assert "top-1 error" in run("launch", "evaluate", name, *trained)
    assert "%" in run("launch", "predict", name, photograph, *trained)
