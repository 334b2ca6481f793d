"""`python -m launch export`: what predict says, without this program."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from common.errors import RunError
from launch.commands import export as command
from launch.weights import run_weights
from tests.launch import test_predict
from tests.launch.flags import launch

colours = test_predict.colours


def export(folder, out, **given):
    places = {"weights": str(folder), "data_dir": str(folder / "no_data")}
    return launch("export", "colours", out=out, **places | given)


def test_it_answers_as_predict(colours, tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 256, (2, 40, 60, 3), np.uint8)
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for pixels, file in zip(noise, files, strict=True):
        Image.fromarray(pixels).save(file)
    files.append(tmp_path / "transparent.png")  # red is under it
    Image.new("RGBA", (48, 40), (255, 0, 0, 0)).save(files[-1])
    out = tmp_path / "made"
    assert export(colours, out) == 0
    assert "3 classes, centre_crop of cifar10" in capsys.readouterr().out
    served = tf.saved_model.load(str(out)).signatures["serving_default"]
    answer = served(files=tf.constant([file.read_bytes() for file in files]))
    lines = []
    for place, file in enumerate(files):
        names = answer["names"][place].numpy()
        sure = answer["probabilities"][place].numpy()
        lines.append(str(file))
        lines += [
            f"  {100 * p:5.1f} %  {name.decode()}" for p, name in zip(sure, names, strict=True)
        ]
    test_predict.predict_here(colours, *files)
    assert capsys.readouterr().out.splitlines() == lines


def test_the_heads_that_only_train_the_first_are_left_out(colours, tmp_path, monkeypatch):
    build = test_predict.build_model

    def build_two_headed(*words, **sizes):
        model = build(*words, **sizes)
        other = keras.layers.Dense(3, name="auxiliary")(model.layers[-2].output)
        return keras.Model(model.input, [model.output, other], name=model.name)

    monkeypatch.setattr(test_predict, "build_model", build_two_headed)
    both = build_two_headed("colours", image_size=16, num_classes=3)
    both.save_weights(colours / run_weights.WEIGHTS)
    photograph = test_predict.colour(tmp_path / "a.png", (250, 0, 0))
    assert export(colours, tmp_path / "made") == 0
    served = tf.saved_model.load(str(tmp_path / "made")).signatures["serving_default"]
    answer = served(files=tf.constant([photograph.read_bytes()]))
    assert answer["names"].numpy()[0, 0] == b"red"
    kept = tf.train.list_variables(str(tmp_path / "made" / "variables" / "variables"))
    assert [shape for name, shape in kept if name.startswith("held")] == [[3, 3]]


def test_a_file_has_its_record_beside_it(colours, tmp_path):
    out = tmp_path / "made.tflite"
    assert export(colours, out) == 0
    record = json.loads((tmp_path / "made.tflite.json").read_text())
    assert record["variant"] == "colours"
    assert record["class_names"] == test_predict.NAMES
    assert record["pixels"]["shape"] == [16, 16, 3]
    assert len(record["weights"]) == 64
    assert out.stat().st_size > 0
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"run", "made.tflite", "made.tflite.json"}


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "ONNX_NEEDS", ("tf2onnx_is_gone",))
    with pytest.raises(RunError, match=r"tf2onnx_is_gone.*\[onnx\]"):
        command.read_format(tmp_path / "made.onnx", None)
