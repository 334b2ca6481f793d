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


ALL = ("lenet5", "cifar_resnet20", "alexnet", "bn_inception")
GPU, TWO_GPUS = {"platform": "gpu"}, {"platform": "gpu", "devices": 2}


@pytest.mark.parametrize(
    ("name", "given", "compiled"),
    [
        *((name, GPU, True) for name in ALL),
        *((name, GPU | {"precision": "mixed_float16"}, True) for name in ALL),
        ("cifar_resnet20", TWO_GPUS, True),
        ("alexnet", TWO_GPUS, True),
        ("bn_inception", TWO_GPUS, False),  # which takes the statistics of all devices
        ("bn_inception", TWO_GPUS | {"set": ["synchronized_batch_norm=False"]}, True),
        ("inception_no_bn", TWO_GPUS, True),  # which has none
        ("lenet5", {}, True),  # single images, on one CPU
        ("lenet5", {"devices": 2}, False),
        ("lenet5", {"set": ["global_batch_size=128"]}, False),
        ("cifar_resnet20", {}, False),
        ("alexnet", {}, False),
        ("lenet5", {"jit_compile": False}, False),  # what the command says holds
        ("cifar_resnet20", {"jit_compile": True}, True),
    ],
)
def test_what_pays_is_compiled_where_it_can_be(decide, name, given, compiled):
    assert decide(name, **given) is compiled


def test_only_single_images_of_digits_are_small():
    small = {
        paper
        for paper in reproductions.names()
        for recipe in reproductions.load(paper).RECIPES.values()
        if is_small(recipe)
    }
    assert small == {"lenet5"}


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
