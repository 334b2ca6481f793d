"""NaN is never a result: every way to a number ends and says where."""

import json
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.errors import NotFinite, RunError, UsageError
from common.evaluation.evaluator import Evaluator
from common.evaluation.views import FrameView
from common.files import write_json
from common.training.run_record import add_result
from launch.report import records
from launch.weights import run_weights
from tests.launch import test_predict, test_run_settings
from tests.launch.flags import launch
from tests.launch.test_run_settings import measured

colours, run = test_run_settings.colours, test_run_settings.run


def with_weights(folder, kernel):
    """The run's network with these weights of the three colours."""
    model = test_predict.build_model("colours", image_size=16, num_classes=3)
    model.get_layer("colours").set_weights([np.float32(kernel)])
    model.save_weights(folder / run_weights.WEIGHTS)
    return folder


@pytest.mark.parametrize(
    ("verb", "value"),
    [("evaluate", np.nan), ("evaluate", -np.inf), ("predict", np.inf), ("export", np.nan)],
)
def test_weights_that_are_no_numbers_are_refused_by_name(run, tmp_path, verb, value):
    kernel = np.eye(3)
    kernel[1, 2] = value
    folder = with_weights(run(), kernel)
    before = (folder / "run.json").read_text()
    photograph = test_predict.colour(tmp_path / "a.png", (9, 9, 9))
    out = tmp_path / "model.tflite"
    given = {"weights": str(folder)}
    if verb == "export":
        given |= {"out": str(out)}
    words = [verb, "colours"] + [str(photograph)] * (verb == "predict")
    with pytest.raises(NotFinite, match=rf"h5 has {value} in colours/kernel"):
        launch(*words, **given)
    assert not out.exists() and (folder / "run.json").read_text() == before


def test_scores_that_overflow_are_no_result(run, tmp_path, capsys):
    """The weights are numbers; the sum of two large ones is none."""
    folder = with_weights(run(), np.full((3, 3), 3e38))
    for split in ("train", "validation"):
        for old in (tmp_path / "data" / split / "red").iterdir():
            test_predict.colour(old, (255, 255, 0))
    with pytest.raises(NotFinite, match="1 to 6 .*'validation' under centre"):
        measured(folder, capsys)
    with pytest.raises(NotFinite, match=r"scores of .*red_\d.png are not"):
        file = tmp_path / "p.npz"
        measured(folder, capsys, predictions=str(file), views=["centre_crop"])
    with pytest.raises(NotFinite, match="red_0.png: the network's scores"):
        test_predict.predict_here(folder, tmp_path / "data" / "train" / "red" / "red_0.png")
    assert json.loads((folder / "run.json").read_text())["results"] == []


def measured_of(network, loss, images, counts, monkeypatch):
    """The result of a network of (1, 1, 1) on one batch of such images."""
    dataset = types.SimpleNamespace(test_split="there", splits={"there": int(sum(counts))})
    image = keras.Input((1, 1, 1))
    evaluator = Evaluator(
        model=keras.Model(image, network(keras.layers.Flatten()(image))),
        strategy=tf.distribute.get_strategy(),
        source=types.SimpleNamespace(dataset=dataset),
        recipe=types.SimpleNamespace(loss=loss, num_classes=2),
        statistics=None,
    )
    pixels = tf.reshape(tf.constant(images), (-1, 1, 1, 1, 1))
    names = tf.constant(["a"] * len(counts))
    columns = (tf.zeros(len(counts), tf.int64), tf.constant(counts), names)
    batches = tf.data.Dataset.from_tensors(((pixels,), *columns))
    monkeypatch.setattr(evaluator, "_open", lambda *_: batches)
    return evaluator.measure("v", FrameView(name="single", size=1), lambda *_: None)


def test_a_loss_that_looks_at_one_class_hides_no_other(monkeypatch):
    bias = keras.initializers.Constant(np.array([0.0, np.nan]))
    dense = keras.layers.Dense(2, kernel_initializer="ones", bias_initializer=bias)

    def loss(outputs, labels):
        return tf.gather(outputs, labels, batch_dims=1)

    with pytest.raises(NotFinite, match="images 1 to 3 of the split 'there' under v is nan"):
        measured_of(dense, loss, [1.0] * 3, [1.0] * 3, monkeypatch)


def test_padding_is_no_image_and_has_no_loss(monkeypatch):
    """Of zeros the scores may be what they like."""
    inverse = keras.layers.Lambda(lambda x: 1 / x)
    found = measured_of(inverse, lambda o, _: o[:, 0], [4.0, 0.0], [1.0, 0.0], monkeypatch)
    assert (found.num_images, found.loss, found.top1_error) == (1, 0.25, 0)


def test_no_file_of_json_holds_what_is_none(tmp_path):
    file = tmp_path / "run.json"
    write_json(file, {"a": [1.0]})
    for bad in (np.nan, np.inf, -np.inf, np.float64("nan")):
        with pytest.raises(NotFinite, match="results.0.loss would be"):
            write_json(file, {"results": [{"loss": bad}]})
    assert json.loads(file.read_text()) == {"a": [1.0]}


def test_a_record_that_holds_nan_is_no_record(run, capsys):
    folder = run(results=[{"view": "centre_crop", "split": "validation", "loss": np.nan}])
    with pytest.raises(RunError, match="holds NaN"):
        measured(folder, capsys)
    with pytest.raises(RunError, match="holds NaN"):
        add_result(folder, {})
    with pytest.raises(UsageError, match="holds NaN"):
        records.rows_of(folder)


def test_imported_weights_are_numbers(tmp_path, monkeypatch):
    def broken(state, model):
        model.layers[-1].bias.assign(np.full(1000, np.nan))

    from reproductions.resnet import weights

    monkeypatch.setitem(weights.LAYOUTS, "torchvision", broken)
    source, out = tmp_path / "a.npz", tmp_path / "b.weights.h5"
    np.savez(source, a=np.zeros(1))
    with pytest.raises(NotFinite, match="a.npz has nan in fc/bias .1,000 of"):
        launch("import", "resnet18", source, **{"from": "torchvision", "out": out})
    assert not out.exists()
