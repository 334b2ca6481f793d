"""`python -m launch evaluate`: views, prediction files, costs, photographs."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data import catalog, imagenet
from common.evaluation.predictions import read
from common.evaluation.views import Dense, FrameView
from common.models.layer_table import layer_table, totals, without_weights
from launch.inference import evaluation
from launch.settings.overrides import apply
from tests.common.data_fixtures import noise_image, write_image
from tests.conftest import ROOT
from tests.launch import test_predict
from tests.launch.flags import answer

here = test_predict.here
VGG11 = ("evaluate", "vgg11")


@pytest.fixture
def plan(here, tmp_path, monkeypatch, capsys):
    """The plan of a network that makes 10 inputs a second; without weights and data."""
    monkeypatch.setattr(evaluation, "inputs_per_second", lambda *_: 10.0)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))

    def of(*words):
        code, out, err = answer(capsys, "evaluate", *words, "--dry_run")
        assert code == 0, err
        return out

    return of


def test_every_protocol_of_the_paper_has_its_cost(plan):
    small = "--set=image_size=112"
    with without_weights():
        macs = totals(
            layer_table(reproductions.build_model(*["googlenet"] * 2, image_size=112))
        ).macs
    assert (
        len(plan("googlenet", small, "--views=144_crop").splitlines()) == 7
    )  # it can be asked for
    out = plan("googlenet", small)
    rows = {line.split()[0]: line for line in out.splitlines()[5:]}
    assert list(rows) == ["view", "centre_crop", "ten_crop", "144_crop"]
    assert "50,000 images of the split 'validation'" in out
    assert f"{10 * macs:,}" in rows["ten_crop"]
    many = rows["144_crop"]
    assert f"{144 * macs:,}" in many and "144 of 112x112" in many
    days = 50_000 * 144 / 10 / 86_400
    assert many.endswith(f"{days:.1f} days")


def test_inputs_of_several_sizes_are_counted_by_size():
    dense = Dense(sides=(256, 384), mirrored=True)
    sizes = {(256, 341): 2, (384, 512): 2}
    assert evaluation.input_sizes(dense, (224, 224)) == sizes
    assert evaluation.input_sizes(FrameView(name="ten_crop", size=9), (9, 9)) == {(9, 9): 10}
    single = FrameView(name="single", size=9)
    assert evaluation.input_sizes(single, (9, 9)) == {(9, 9): 1}


def test_speed_is_measured(monkeypatch):
    monkeypatch.setattr(evaluation, "TIMED_SECONDS", 0.2)
    image = keras.Input((8, 8, 3))
    scores = keras.layers.Dense(2)(keras.layers.Flatten()(image))
    model = keras.Model(image, scores)
    strategy = tf.distribute.get_strategy()
    assert evaluation.inputs_per_second(model, 384, strategy) > 100


def photographs(root, wnids=imagenet.WNIDS[3:6]):
    """PATH/WNID/*.JPEG, three sizes."""
    for i, wnid in enumerate(wnids):
        write_image(root / wnid / f"{wnid}_x.JPEG", noise_image(70 + i, 93 - i))
    return root


def test_folders_of_wnids_are_a_test_set_of_imagenet(tmp_path):
    found = catalog.find(f"folder:{photographs(tmp_path)}")
    assert (found.num_classes, found.splits) == (1000, {"test": 3})
    source = catalog.open_source(found)
    assert source.class_names() == imagenet.WNIDS
    labels = {
        record["id"].numpy().decode(): int(record["label"]) for record in source.records("test")
    }
    wnid = imagenet.WNIDS[4]
    assert labels[f"{wnid}/{wnid}_x.JPEG"] == 4


def test_a_prediction_file_says_what_is_not_the_recipes(tmp_path):
    own = reproductions.load("resnet").RECIPES["resnet50_v1_5"]
    few = {"train": 100, "validation": 5_000}  # none is trained on
    shrunk = {"sha256": "0", "shorter_side": 256, "splits": few}
    source = types.SimpleNamespace(fingerprint=lambda: shrunk, class_names=lambda: imagenet.WNIDS)
    asked = apply(own, ["image_size=288"])
    about = {"split": "validation", "num_images": 5_000}
    measured = types.SimpleNamespace(source=source, recipe=asked, **about)
    writer = evaluation._open_writer(tmp_path / "a.npz", {}, measured)
    said = json.loads((writer.folder / "record.json").read_text())["changes"]
    assert said == (
        "image_size 288; data shrunk once to a shorter side of 256 pixels; "
        "data another set of 5,000 images"
    )


SMALL = ("--set", "image_size=32", "--platform", "cpu")
OWN = ("--preprocessing", "recipe")  # which a file by Keras does not say


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of a small VGG-11 of 1,000 classes; random."""
    file = tmp_path_factory.mktemp("weights") / "vgg11.weights.h5"
    build = functools.partial(reproductions.build_model, "vgg")
    keras.utils.set_random_seed(0)
    build("vgg11", image_size=32).save_weights(file)
    yield file
    file.unlink()


@pytest.mark.full
def test_photographs_go_through_the_same_command(shared_data, weights, here, capsys):
    """As the validation set would; at a reduced size."""
    photos, views = (
        shared_data / "photos",
        ["centre_crop", "ten_crop", "dense", "dense_multi_scale"],
    )
    words = (*VGG11, "--data", f"folder:{photos}", *SMALL, *OWN, "--weights", weights)
    code, out, err = answer(capsys, *words, "--views", ",".join(views))
    assert code == 0, err
    lines = [line for line in out.splitlines() if "top-1 error" in line]
    assert [line.partition(":")[0] for line in lines] == views
    number = r"\d+\.\d\d"
    form = rf"top-1 error {number} \({number} to {number}\) %, top-5 error .*"
    images = len(list(photos.glob("*/*")))
    for line in lines:
        assert re.search(form, line) and f" {images} images of photos" in line
    assert "123.68, 116.779, 103.939" in err


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "launch", *map(str, words)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.full
def test_a_killed_evaluation_goes_on_to_the_same_file(weights, tmp_path):
    root = photographs(tmp_path / "photos", imagenet.WNIDS[:40])
    words = (*VGG11, "--data", f"folder:{root}", *SMALL, *OWN, "--weights", weights)
    words = (*words, "--views", "dense", "--predictions")
    whole, killed = tmp_path / "whole.npz", tmp_path / "killed.npz"
    at_once = start(*words, whole).communicate()[0]
    process = start(*words, killed)
    part = tmp_path / "killed.npz.part"
    while len(list(part.glob("*.npz"))) < 10:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not killed.exists()
    assert 10 <= len(list(part.glob("*.npz"))) < 40
    assert start(*words, killed).communicate()[0] == at_once
    assert not part.exists()
    one, other = read(whole), read(killed)
    assert one.ids.tolist() == other.ids.tolist() == sorted(one.ids)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
    assert one.record["view"] == "dense" and one.record["variant"] == "vgg11"
    assert len(one.record["weights"]) == 64
    assert one.classes.tolist() == list(imagenet.WNIDS)


@pytest.mark.full
def test_two_devices_give_the_same_errors(weights, tmp_path):
    root = photographs(tmp_path / "photos", imagenet.WNIDS[:5])
    words = (*VGG11, "--data", f"folder:{root}", *SMALL, *OWN, "--weights", weights)
    words = (*words, "--views", "dense,ten_crop")
    one = start(*words).communicate()[0]
    two = start(*words, "--gpus", 2).communicate()[0]
    assert one == two and one.count("top-1 error") == 2
