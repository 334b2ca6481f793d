"""A trained network with its recipe's preprocessing and class names inside.

What images go through is common.data.pipeline itself, traced: nothing of it is
written again. Weights and arithmetic are float32.
"""

import dataclasses
import json
import pathlib
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from common.data import pipeline
from common.data.dataset import Source
from common.data.images.decoder import is_png
from common.data.statistics import Statistics
from common.data.transforms.view import image_size
from common.errors import RunError
from common.evaluation.error_rates import scores_of
from common.evaluation.frame_views import normalized, normalized_windows
from common.evaluation.views import windows
from common.recipes.recipe import Recipe

TOP = 5
_TOLERANCE = 1e-3  # of a probability, after a conversion
_LABELS, _RECORD = "labels.txt", "record.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Served:
    """What is exported.

    Attributes:
        model: With one output, the logits.
        statistics: What `recipe.normalize` subtracts, if it does.
        names: Of the classes, in the order of the labels.
        view: See common.evaluation.views; of an encoded image.
        stored_side: Height and width that encoded images must have; None
            where the recipe resizes them.
        frame_side: Of the frame that the view looks at.
        record: Where all this comes from, for JSON.
    """

    model: keras.Model
    recipe: Recipe
    statistics: Statistics | None
    names: tuple[str, ...]
    view: str
    stored_side: int | None
    frame_side: int
    record: dict


@dataclasses.dataclass(frozen=True)
class _Files(Source):
    """Encoded images that are given: JPEG or PNG, as the file says."""

    image_shape: tuple[int, int] | None


def probabilities_of_files(served: Served, files: tf.Tensor) -> tf.Tensor:
    """(N,) JPEG or PNG files -> (N, classes), the view's mean.

    The pixels are those of training: as they are stored, what is transparent on
    white.
    """
    recipe, side = served.recipe, served.stored_side
    source = _Files((side, side) if side else None)
    wanted = windows(served.view, served.frame_side, recipe.image_size)

    def seen(encoded: tf.Tensor) -> tf.Tensor:
        known = tf.debugging.assert_equal(
            tf.io.is_jpeg(encoded) | is_png(encoded),
            True,
            "an image here is a JPEG or PNG file: convert it first",
        )
        with tf.control_dependencies([known]):
            encoded = tf.identity(encoded)
        if side:
            found = tf.stack(image_size(encoded, None))
            as_stored = tf.debugging.assert_equal(
                found, [side, side], f"images here have {side} x {side} pixels"
            )
            with tf.control_dependencies([as_stored]):  # before decoding
                encoded = tf.identity(encoded)
        label = tf.zeros((), tf.int64)
        record = {"image": encoded, "label": label, "id": ""}
        frame = pipeline.frame(source, record, recipe)["image"]
        return normalized_windows(frame, recipe, served.statistics, served.view)

    shape = (len(wanted), *served.model.input_shape[1:])
    images = tf.map_fn(
        tf.autograph.experimental.do_not_convert(seen),
        files,
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
    )
    labels = tf.zeros(tf.shape(files)[0], tf.int64)
    scores, _ = scores_of(served.model, recipe.loss, images, labels)
    return tf.nn.softmax(scores)


def probabilities_of_pixels(served: Served, pixels: tf.Tensor) -> tf.Tensor:
    """(N, H, W, C) pixels 0 .. 255, the network's input size -> (N, classes).

    They are normalised as the centre of a frame is.
    """
    recipe = served.recipe
    [window] = windows("centre_crop", served.frame_side, recipe.image_size)

    def seen(image: tf.Tensor) -> tf.Tensor:
        return normalized(image, recipe, served.statistics, window)

    images = tf.vectorized_map(seen, tf.cast(pixels, tf.float32))
    logits = served.model(images, training=False)
    return tf.nn.softmax(tf.cast(logits, tf.float32))


def write_saved_model(served: Served, folder: pathlib.Path) -> None:
    """Signatures: see `signatures`; record.json and labels.txt are inside."""
    module = tf.Module()
    module.held = [v.value for v in served.model.variables]
    made = signatures(served)
    tf.saved_model.save(module, str(folder), signatures=made)
    extra = folder / "assets.extra"  # what TensorFlow keeps and does not read
    extra.mkdir()
    (extra / _LABELS).write_text("\n".join(served.names) + "\n")
    text = json.dumps(served.record, indent=1)
    (extra / _RECORD).write_text(text + "\n")


def signatures(served: Served) -> dict[str, Any]:
    """Of a SavedModel, by name.

    serving_default, files: (N,) strings, JPEG or PNG -> `names` (N, 5) strings,
        `labels` (N, 5) int32 and `probabilities` (N, 5) float32, best first.
    pixels, pixels_uint8: (N, H, W, C) of the network's input size, 0 .. 255 ->
        the same.
    classes: nothing -> `names` (classes,) strings.
    """
    shape = (None, *served.model.input_shape[1:])
    files = _traced(
        lambda files: _best(served, probabilities_of_files(served, files)),
        tf.TensorSpec((None,), tf.string, name="files"),
    )

    def of_pixels(kind: tf.DType) -> Any:
        return _traced(
            lambda pixels: _best(served, probabilities_of_pixels(served, pixels)),
            tf.TensorSpec(shape, kind, name="pixels"),
        )

    return {
        "serving_default": files,
        "files": files,
        "pixels": of_pixels(tf.float32),
        "pixels_uint8": of_pixels(tf.uint8),
        "classes": _traced(lambda: {"names": tf.constant(served.names)}),
    }


def _traced(function: Callable, *spec: tf.TensorSpec) -> Any:
    return tf.function(function, autograph=False).get_concrete_function(*spec)


def _best(served: Served, probabilities: tf.Tensor) -> dict[str, tf.Tensor]:
    shown = min(TOP, len(served.names))
    best = tf.math.top_k(probabilities, shown)
    return {
        "names": tf.gather(tf.constant(served.names), best.indices),
        "labels": best.indices,
        "probabilities": best.values,
    }


def _of_pixels(served: Served) -> tuple[Any, tf.TensorSpec]:
    """(function, its input) of the formats that have no decoder."""
    shape = (None, *served.model.input_shape[1:])
    spec = tf.TensorSpec(shape, tf.float32, name="pixels")
    function = tf.function(
        lambda pixels: {"probabilities": probabilities_of_pixels(served, pixels)}, autograph=False
    )
    return function, spec


def write_tflite(served: Served, file: pathlib.Path) -> None:
    """`pixels` (N, H, W, C) float32 -> `probabilities` (N, classes).

    Names and record are appended as a zip file, as TFLite's own tools put
    files into a model: `unzip FILE.tflite` shows them, interpreters do not
    mind.

    Raises:
        RunError: if the network has an operation that TFLite lacks, or if the
            interpreter gives other probabilities.
    """
    function, spec = _of_pixels(served)
    module = tf.Module()
    module.held = [v.value for v in served.model.variables]
    made = {"serving_default": function.get_concrete_function(spec)}
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=made)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        try:
            converted = converter.convert()
        except Exception as error:  # of a class that TensorFlow hides
            raise _unsupported("TFLite", served, error) from error
    _require_same(served, converted)
    file.write_bytes(converted)
    with zipfile.ZipFile(file, "a") as inside:
        inside.writestr(_LABELS, "\n".join(served.names) + "\n")
        inside.writestr(_RECORD, json.dumps(served.record, indent=1) + "\n")


def _require_same(served: Served, converted: bytes) -> None:
    """The converter lets some operations pass that no interpreter knows."""
    shape = (1, *served.model.input_shape[1:])
    pixels = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    expected = probabilities_of_pixels(served, tf.constant(pixels)).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is to move to a package of its own
        interpreter = tf.lite.Interpreter(model_content=converted)
    try:
        answer = interpreter.get_signature_runner()(pixels=pixels)
    except (RuntimeError, ValueError) as error:
        raise _unsupported("TFLite", served, error) from error
    found = answer["probabilities"]
    same = found.shape == expected.shape
    if not same or not np.abs(found - expected).max() < _TOLERANCE:
        raise RunError(
            f"{served.model.name} as TFLite gives other probabilities for "
            "noise. --format savedmodel takes every network."
        )


def write_onnx(served: Served, file: pathlib.Path) -> None:
    """`pixels` (N, H, W, C) float32 -> `probabilities` (N, classes).

    Names and record are in the file's metadata, as JSON.

    Raises:
        RunError: if tf2onnx does not know an operation.
    """
    import onnx  # neither is needed for the rest
    import tf2onnx

    function, spec = _of_pixels(served)
    try:
        made, _ = tf2onnx.convert.from_function(function, (spec,))
    except Exception as error:  # tf2onnx raises many kinds
        raise _unsupported("ONNX", served, error) from error
    facts = {"classes": served.names, "record": served.record}
    onnx.helper.set_model_props(made, {name: json.dumps(value) for name, value in facts.items()})
    onnx.save(made, str(file))


def _unsupported(what: str, served: Served, error: Exception) -> RunError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return RunError(
        f"{served.model.name} cannot be written as {what}: {lines[0][:300]}. "
        "--format savedmodel takes every network."
    )
