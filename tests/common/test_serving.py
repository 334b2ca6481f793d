"""An exported model answers as the evaluation does."""

import dataclasses
import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common import export
from common.data.transforms.pixels import ScalePixels, SubtractMeanImage
from common.errors import RunError
from common.evaluation.evaluator import score
from common.evaluation.inputs import test_batches as batches_of
from common.evaluation.views import FrameView
from common.recipes.losses import SoftmaxCrossEntropy
from reproductions.lenet5.recipe import RECIPES
from tests.common.data_fixtures import PHOTOS, digits, noise_image, shapes, statistics_of


def small_network(size, classes):
    """Not yet trained, but sure of itself enough to have an order."""
    keras.utils.set_random_seed(1)
    image = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(8, 7, 4, activation="relu", name="conv1")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Conv2D(16, 3, 2, activation="relu", name="conv2")(x)
    x = keras.layers.Flatten()(x)
    spread = keras.initializers.RandomNormal(stddev=0.01)
    logits = keras.layers.Dense(classes, kernel_initializer=spread)(x)
    return keras.Model(image, logits, name="small")


def photos(view):
    """Photographs: resized, cut, minus the mean of each pixel."""
    frame, size = 64, PHOTOS.image_size
    mean = noise_image(frame, frame).astype(np.float32)
    recipe = dataclasses.replace(PHOTOS, normalize=SubtractMeanImage(), loss=SoftmaxCrossEntropy())
    return export.Served(
        model=small_network(size, 10),
        recipe=recipe,
        statistics=statistics_of(mean),
        names=tuple("abcdefghij"),
        view=FrameView(name=view, size=size),
        stored_side=None,
        frame_side=frame,
        record={"variant": "small"},
    )


def lenet5():
    keras.utils.set_random_seed(2)
    recipe = dataclasses.replace(RECIPES["lenet5"], data="sample")
    return export.Served(
        model=reproductions.build_model("lenet5", "lenet5"),
        recipe=recipe,
        statistics=None,
        names=tuple(map(str, range(10))),
        view=FrameView(name="single", size=32),
        stored_side=28,
        frame_side=32,
        record={"variant": "lenet5"},
    )


def evaluated(served, source):
    """(files, probabilities) of the test images, by the evaluation's path."""
    recipe = served.recipe
    batches = batches_of(source, "test", recipe, served.statistics, served.view, batch_size=10)
    (images,), *_ = next(iter(batches))
    scores = score(served.model, [images], served.view)
    records = source.records("test").take(10)
    files = tf.stack([record["image"] for record in records])
    return images, files, tf.nn.softmax(scores).numpy()


def loaded(served, folder):
    export.write_saved_model(served, folder)
    return tf.saved_model.load(str(folder)).signatures


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    """(what is exported, its signatures)"""
    served = photos("centre_crop")
    return served, loaded(served, tmp_path_factory.mktemp("centre") / "made")


def assert_top5(answer, served, expected):
    best = np.argsort(-expected, axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(answer["labels"], best)
    names = np.array(served.names)[best]
    np.testing.assert_array_equal(answer["names"].numpy().astype(str), names)
    np.testing.assert_allclose(
        answer["probabilities"], np.take_along_axis(expected, best, axis=1), rtol=1e-4
    )


def test_a_saved_model_takes_files_of_any_size(centre, tmp_path):
    ten = photos("ten_crop")
    for served, found in (centre, (ten, loaded(ten, tmp_path / "made"))):
        _, files, expected = evaluated(served, shapes())
        assert len({tf.io.decode_jpeg(f).shape.as_list()[0] for f in files}) > 1
        assert_top5(found["serving_default"](files=files), served, expected)


def test_a_saved_model_takes_digits_as_they_are_stored(tmp_path):
    served = lenet5()
    _, files, expected = evaluated(served, digits())
    found = loaded(served, tmp_path / "made")
    assert_top5(found["serving_default"](files=files), served, expected)
    names = found["classes"]()["names"].numpy()
    assert [n.decode() for n in names] == list(served.names)
    record = tmp_path / "made" / "assets.extra" / "record.json"
    assert json.loads(record.read_text()) == served.record
    other = tf.io.encode_png(np.zeros((40, 28, 1), np.uint8))
    with pytest.raises(tf.errors.InvalidArgumentError, match="28 x 28"):
        found["serving_default"](files=tf.stack([other]))


def test_pixels_are_normalised_as_the_frames_centre(centre):
    served, found = centre
    seen, _, expected = evaluated(served, shapes())
    cut = before_normalising(served, seen)
    assert_top5(found["pixels"](pixels=cut), served, expected)
    whole = tf.cast(tf.round(cut), tf.uint8)
    one, other = (
        found[name](pixels=pixels)["probabilities"].numpy()
        for name, pixels in (("pixels_uint8", whole), ("pixels", tf.cast(whole, tf.float32)))
    )
    np.testing.assert_array_equal(one, other)


def answer_of_tflite(served, pixels, file):
    export.write_tflite(served, file)
    answer = tf.lite.Interpreter(str(file)).get_signature_runner()(pixels=pixels)
    with zipfile.ZipFile(file) as inside:
        names = inside.read("labels.txt").decode().split()
        return answer["probabilities"], names, json.loads(inside.read("record.json"))


def answer_of_onnx(served, pixels, file):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    export.write_onnx(served, file)
    session = onnxruntime.InferenceSession(str(file))
    [found] = session.run(None, {"pixels": pixels})
    facts = session.get_modelmeta().custom_metadata_map
    return found, json.loads(facts["classes"]), json.loads(facts["record"])


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("made", [lenet5, lambda: photos("centre_crop")])
@pytest.mark.parametrize("answer_of", [answer_of_tflite, answer_of_onnx])
def test_another_format_gives_the_same_probabilities(answer_of, made, tmp_path):
    served = made()
    seen, _, expected = evaluated(served, digits() if served.stored_side else shapes())
    pixels = before_normalising(served, seen)
    found, names, record = answer_of(served, pixels, tmp_path / "made")
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert names == list(served.names) and record == served.record


def before_normalising(served, seen):
    """The pixels, (N, H, W, C), of what the network sees."""
    scale = served.recipe.normalize
    if isinstance(scale, ScalePixels):
        span = scale.foreground - scale.background
        return (seen[:, 0].numpy() - scale.background) * np.float32(255 / span)
    edge = (served.frame_side - served.recipe.image_size) // 2
    return (seen[:, 0] + served.statistics.mean_image[edge:-edge, edge:-edge]).numpy()


def odd_network(operation):
    image = keras.Input((56, 56, 3))
    odd = keras.layers.Lambda(lambda x: operation(x[:, :10, :10, 0]))(image)
    model = keras.Model(image, odd, name="odd")
    return dataclasses.replace(photos("centre_crop"), model=model)


def test_an_operation_that_tflite_lacks_is_named(tmp_path):
    served = odd_network(lambda x: tf.linalg.inv(x)[:, 0])
    with pytest.raises(RunError, match="odd cannot be written as TFLite.*Inv"):
        export.write_tflite(served, tmp_path / "made.tflite")
    assert not list(tmp_path.iterdir())


def test_answers_that_differ_are_told_apart_where_all_classes_are_as_likely(tmp_path):
    one, other = (odd_network(lambda x, s=s: s * x[:, 0] / 255) for s in (3e-3, -3e-3))
    export.write_tflite(one, tmp_path / "one")
    with pytest.raises(RunError, match="gives other prob"):
        export._require_same(other, (tmp_path / "one").read_bytes())


def test_a_conversion_that_answers_otherwise_is_refused(tmp_path):
    """TensorFlow's converter gives one without an error here."""
    served = odd_network(lambda x: tf.math.lgamma(x)[:, 0])
    with pytest.raises(RunError, match="odd as TFLite gives other prob"):
        export.write_tflite(served, tmp_path / "made.tflite")
    assert not list(tmp_path.iterdir())
