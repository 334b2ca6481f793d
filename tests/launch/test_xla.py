"""Where the command does not say whether XLA compiles the step."""

import json
import os

import pytest

import reproductions
from common.distribution import hardware
from common.recipes.recipe import is_small
from common.training.run_record import last_session
from launch.commands import TRAIN
from launch.session import jit_policy
from launch.session.jit_policy import keep_compiled
from launch.settings.options import read_training
from tests.launch.flags import read


@pytest.fixture
def decide(tmp_path):
    def of(name="lenet5", devices=1, platform="cpu", **values):
        paper, variant = reproductions.find(name)
        places = {"data_dir": "/nowhere", "workdir": str(tmp_path)}
        flags = read(TRAIN, **{"data": "sample"} | places | values)
        asked = read_training(paper, variant, flags, flags.set)
        made = jit_policy.decide(asked, replicas=devices, platform=platform)
        return made.devices.jit_compile

    return of


def test_on_gpus_all_is_compiled(decide):
    for name in ("lenet5", "cifar_resnet20", "alexnet", "bn_inception"):
        assert decide(name, platform="gpu") is True
        assert decide(name, platform="gpu", precision="mixed_float16") is True
    for name in ("cifar_resnet20", "alexnet"):
        assert decide(name, platform="gpu", devices=2) is True


def test_what_takes_the_statistics_of_all_devices_is_not(decide):
    assert decide("bn_inception", platform="gpu", devices=2) is False
    change = {"set": ["synchronized_batch_norm=False"]}
    assert decide("bn_inception", platform="gpu", devices=2, **change) is True


def test_single_images_of_lenet_are_compiled_on_one_cpu(decide):
    assert decide() is True
    assert decide(devices=2) is False
    assert decide("cifar_resnet20") is False
    assert decide("alexnet") is False
    assert decide(set=["global_batch_size=128"]) is False


def test_only_single_images_of_digits_are_small():
    small = {
        paper
        for paper in reproductions.names()
        for recipe in reproductions.load(paper).RECIPES.values()
        if is_small(recipe)
    }
    assert small == {"lenet5"}


def test_what_the_command_says_holds(decide):
    assert decide(jit_compile=False) is False
    assert decide("cifar_resnet20", jit_compile=True) is True


@pytest.mark.parametrize("before", [True, False])
def test_a_run_goes_on_as_it_was_begun(decide, tmp_path, before):
    sessions = [{"jit_compile": not before}, {"jit_compile": before}]
    (tmp_path / "run.json").write_text(json.dumps({"sessions": sessions}))
    assert last_session(tmp_path) == sessions[-1]
    for name in ("lenet5", "cifar_resnet20"):
        assert decide(name) is before
    assert decide(jit_compile=not before) is not before
    assert decide(devices=2) is before
    across = {"name": "bn_inception", "devices": 2}
    assert decide(**across) is False  # XLA cannot


def test_what_is_compiled_is_kept_for_each_machine(tmp_path, monkeypatch):
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    monkeypatch.setattr(hardware, "models", lambda: "A (R) 5, NVIDIA H200")
    keep_compiled(tmp_path)
    (place,) = (tmp_path / "xla").iterdir()
    assert place.name.endswith("-A-R-5-NVIDIA-H200")
    flags = f"--tf_xla_persistent_cache_directory={place}"
    assert os.environ["TF_XLA_FLAGS"] == flags
    keep_compiled(tmp_path / "another")  # what was given stays
    assert os.environ["TF_XLA_FLAGS"] == flags


def test_without_a_place_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    (tmp_path / "xla").touch()
    keep_compiled(tmp_path)
    assert "TF_XLA_FLAGS" not in os.environ
