"""PYTHON.md as it is written, and what it promises."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data import catalog
from common.errors import UsageError
from tests.common.data_fixtures import noise_image, write_image

PAGE = reproductions.REPOSITORY / "reproductions" / "PYTHON.md"
CIFAR = ("resnet_cifar", "cifar_resnet20")
SHIPPED = reproductions.folder(CIFAR[0]) / "trained" / CIFAR[1] / "final.weights.h5"
# Loads in a process that has built nothing; "plain" before anything here is imported.
LOADING = """
import sys
import keras
import numpy as np
images = np.load("images.npz")
np.save("plain.npy", keras.saving.load_model("plain.keras")(images["plain"]))
assert not {"common", "reproductions"} & set(sys.modules)
import reproductions
np.save("own.npy", reproductions.load_model("own.keras")(images["own"]))
"""


def test_the_page_runs_as_it_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "dog.jpg", noise_image(90, 120))
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["model"].output_shape == (None, 3)
    assert names["features"].output_shape == (None, 512)
    assert [maps.shape[1] for maps in names["pyramid"].outputs] == [16, 8, 4, 2]
    batch = next(iter(names["images"]))[0]
    assert batch.shape == (3, 64, 64, 3)
    np.testing.assert_array_equal(names["again"](batch), names["model"](batch))
    assert re.fullmatch(r"\w+: \d+%\n", capsys.readouterr().out)
    assert names["tuned"](names["image"][None]).shape == (1, 3)
    assert names["seen"].shape == (8, 8) and 0 <= np.min(names["heat"]) < np.max(names["heat"]) <= 1


def test_networks_load_where_nothing_was_built(tmp_path):
    plain = reproductions.build_model("resnet_cifar", "cifar_plain20", num_classes=7)
    own = reproductions.build_model("lenet5", "lenet5")
    images = np.stack([noise_image(32, 32, seed=i) for i in range(2)]).astype("float32")
    np.savez(tmp_path / "images.npz", plain=images, own=images[..., :1] / 128 - 1)
    images = np.load(tmp_path / "images.npz")
    for name, model in (("plain", plain), ("own", own)):
        model.save(tmp_path / f"{name}.keras")
    where = {"PYTHONPATH": str(reproductions.REPOSITORY)}
    subprocess.run(
        [sys.executable, "-c", LOADING], cwd=tmp_path, env=os.environ | where, check=True
    )
    for name, model in (("plain", plain), ("own", own)):
        np.testing.assert_allclose(
            np.load(tmp_path / f"{name}.npy"), model(images[name]), rtol=1e-4
        )


def test_shipped_weights_see_what_they_were_trained_on(shared_data):
    source = catalog.open_source(catalog.find("cifar10"), str(shared_data / "tfds"))
    preprocess = reproductions.make_preprocessing(*CIFAR, weights=SHIPPED)
    model = reproductions.build_model(*CIFAR)
    model.load_weights(SHIPPED)
    records = source.records("test").take(300)
    images, labels = next(
        iter(records.map(lambda r: (preprocess(r["image"]), r["label"])).batch(300))
    )
    wrong = np.argmax(model(images), axis=1) != labels.numpy()
    assert wrong.mean() < 0.14  # 8.8 % of all 10,000


def test_pixels_are_as_good_as_the_file_that_they_are_in(tmp_path):
    preprocess = reproductions.make_preprocessing("vgg", "vgg16", image_size=56)
    pixels = noise_image(70, 90)
    seen = preprocess(pixels)
    np.testing.assert_array_equal(seen, preprocess(tf.io.encode_png(pixels)))
    whole = reproductions.make_preprocessing("vgg", "vgg16")(np.full((300, 400, 3), 200, "uint8"))
    assert whole.shape == (224, 224, 3) and seen.shape == (56, 56, 3)
    np.testing.assert_allclose(whole[0, 0], 200 - np.array([123.68, 116.779, 103.939]), rtol=1e-5)


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (np.zeros((32, 32, 3), "float32"), "this is float32 of shape (32, 32, 3)"),
        (np.zeros((2, 32, 32, 3), "uint8"), "One image at a time"),
        (b"<html>", "An image here is a JPEG or PNG file: convert it first."),
    ],
)
def test_what_is_no_image_is_refused(image, why):
    preprocess = reproductions.make_preprocessing(*CIFAR, weights=SHIPPED)
    with pytest.raises(UsageError, match=re.escape(why)):
        preprocess(image)
    digits = reproductions.make_preprocessing("lenet5", "lenet5")
    with pytest.raises(UsageError, match="Images here have 28 x 28 pixels"):
        digits(np.zeros((32, 32, 1), "uint8"))


def test_the_folder_of_a_run_is_enough_and_a_file_has_to_be_there(tmp_path):
    image = noise_image(32, 32)
    seen = [
        reproductions.make_preprocessing(*CIFAR, weights=w)(image)
        for w in (SHIPPED, SHIPPED.parent)
    ]
    np.testing.assert_array_equal(*seen)
    for missing in (tmp_path / "a.weights.h5", tmp_path):
        with pytest.raises(UsageError, match=f"there is no file {tmp_path}/"):
            reproductions.make_preprocessing(*CIFAR, weights=missing)


def test_pixels_that_nobody_knows_are_refused(tmp_path):
    with pytest.raises(UsageError, match="subtracts the mean of its training images, cifar10"):
        reproductions.make_preprocessing(*CIFAR)
    other = tmp_path / "other.weights.h5"
    other.write_bytes(SHIPPED.read_bytes())
    torch = tmp_path / "w.th"
    torch.write_bytes(b"no HDF5")
    for file in (other, torch):
        with pytest.raises(UsageError, match="must be fed .* leave out weights=."):
            reproductions.make_preprocessing(*CIFAR, weights=file)
    with pytest.raises(UsageError, match="weights of cifar_resnet20, not of akamaster_resnet20"):
        reproductions.make_preprocessing(CIFAR[0], "akamaster_resnet20", weights=SHIPPED)


def test_a_number_of_classes_is_what_it_says():
    small = {"image_size": 32}
    one = reproductions.build_model("resnet", "resnet18", num_classes=1, **small)
    assert one.output_shape == (None, 1)
    with pytest.raises(UsageError, match="-1 classes: 1 or more, or 0 for no classifier"):
        reproductions.build_model("resnet", "resnet18", num_classes=-1, **small)
    for wrong in ({"num_classes": 2.5}, {"num_classes": True}, {"image_size": (32, 64)}):
        with pytest.raises(UsageError, match=r": it must be a whole number; images are square\."):
            reproductions.build_model("resnet", "resnet18", **wrong)
    with pytest.raises(UsageError, match="at least 1x1 pixels: from 0x0"):
        reproductions.build_model("resnet", "resnet18", image_size=0)
