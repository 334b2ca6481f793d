"""A trained network with its recipe's preprocessing and class names inside.

What images go through is the evaluation's own code, traced: nothing of it is written again.
Weights and arithmetic are float32.
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

from common.data.statistics import Statistics
from common.data.transforms import Context
from common.errors import RunError
from common.evaluation.evaluator import score
from common.evaluation.inputs import count_inputs, inputs_of_file
from common.evaluation.views import FrameView
from common.recipes.recipe import Recipe

TOP = 5
_TOLERANCE = 1e-3  # of the largest probability: of 1,000 classes all may be that small


@dataclasses.dataclass(frozen=True, kw_only=True)
class Served:
    """What is exported.

    Attributes:
        model: With one output, the logits.
        statistics: What `recipe.normalize` subtracts, if it does.
        names: Of the classes, in the order of the labels.
        view: Of an encoded image.
        stored_side: Height and width that encoded images must have; None where the recipe resizes.
        frame_side: Of the frame that the view looks at.
        record: Where all this comes from, for JSON.
    """

    model: keras.Model
    recipe: Recipe
    statistics: Statistics | None
    names: tuple[str, ...]
    view: FrameView
    stored_side: int | None
    frame_side: int
    record: dict


def probabilities_of_files(served: Served, files: tf.Tensor) -> tf.Tensor:
    """(N,) JPEG or PNG files -> (N, classes), the view's mean.

    The pixels are those of training: as they are stored, what is transparent on white.
    """
    recipe, view = served.recipe, served.view

    def inputs_of(encoded: tf.Tensor) -> tf.Tensor:
        return inputs_of_file(encoded, recipe, served.statistics, view, served.stored_side)

    shape = (count_inputs(view, recipe.image_size), *served.model.input_shape[1:])
    images = tf.map_fn(
        tf.autograph.experimental.do_not_convert(inputs_of),
        files,
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
    )
    return tf.nn.softmax(score(served.model, [images], view))


def probabilities_of_pixels(served: Served, pixels: tf.Tensor) -> tf.Tensor:
    """(N, H, W, C) pixels 0 .. 255, the network's input size -> (N, classes).

    They are normalised as the centre of a frame is.
    """
    centre = FrameView(name="centre_crop", size=served.recipe.image_size)
    [scaled] = centre.scaled_images(served.frame_side, served.frame_side)
    [crop] = scaled.crops
    context = Context(crop.top, crop.left, crop.mirrored, served.statistics)
    images = tf.vectorized_map(
        lambda image: served.recipe.normalize(image, context), tf.cast(pixels, tf.float32)
    )
    return tf.nn.softmax(score(served.model, [images[:, tf.newaxis]], centre))


def write_saved_model(served: Served, folder: pathlib.Path) -> None:
    """With record.json and labels.txt inside, and these signatures.

    serving_default, files: (N,) strings, JPEG or PNG -> `names` (N, 5) strings, `labels` (N, 5)
        int32 and `probabilities` (N, 5) float32, best first.
    pixels, pixels_uint8: (N, H, W, C) of the network's input size, 0 .. 255 -> the same.
    classes: nothing -> `names` (classes,) strings.
    """

    def best(probabilities: tf.Tensor) -> dict[str, tf.Tensor]:
        found = tf.math.top_k(probabilities, min(TOP, len(served.names)))
        names = tf.gather(tf.constant(served.names), found.indices)
        return {"names": names, "labels": found.indices, "probabilities": found.values}

    def trace(function: Callable, *spec: tf.TensorSpec) -> Any:
        return tf.function(function, autograph=False).get_concrete_function(*spec)

    def pixels_of(kind: tf.DType) -> Any:
        spec = tf.TensorSpec((None, *served.model.input_shape[1:]), kind, name="pixels")
        return trace(lambda pixels: best(probabilities_of_pixels(served, pixels)), spec)

    files = trace(
        lambda files: best(probabilities_of_files(served, files)),
        tf.TensorSpec((None,), tf.string, name="files"),
    )
    signatures = {
        "serving_default": files,
        "files": files,
        "pixels": pixels_of(tf.float32),
        "pixels_uint8": pixels_of(tf.uint8),
        "classes": trace(lambda: {"names": tf.constant(served.names)}),
    }
    _save(served, folder, signatures)
    extra = folder / "assets.extra"  # what TensorFlow keeps and does not read
    extra.mkdir()
    for name, text in _describe(served).items():
        (extra / name).write_text(text)


def _save(served: Served, folder: pathlib.Path | str, functions: dict[str, Any]) -> None:
    module = tf.Module()
    module.held = [v.value for v in served.model.variables]
    tf.saved_model.save(module, str(folder), signatures=functions)


def _describe(served: Served) -> dict[str, str]:
    """The files beside a network: name -> text."""
    return {
        "labels.txt": "\n".join(served.names) + "\n",
        "record.json": json.dumps(served.record, indent=1) + "\n",
    }


def _make_pixel_function(served: Served) -> Any:
    """Of the formats that have no decoder, a tf.function."""
    shape = (None, *served.model.input_shape[1:])
    return tf.function(
        lambda pixels: {"probabilities": probabilities_of_pixels(served, pixels)},
        input_signature=[tf.TensorSpec(shape, tf.float32, name="pixels")],
        autograph=False,
    )


def write_tflite(served: Served, file: pathlib.Path) -> None:
    """`pixels` (N, H, W, C) float32 -> `probabilities` (N, classes).

    Names and record are appended as a zip file, as TFLite's own tools put files into a model:
    `unzip FILE.tflite` shows them, interpreters do not mind.

    Raises:
        RunError: if the network has an operation that TFLite lacks, or if the interpreter gives
            other probabilities.
    """
    with tempfile.TemporaryDirectory() as folder:
        function = _make_pixel_function(served).get_concrete_function()
        _save(served, folder, {"serving_default": function})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        try:
            converted = converter.convert()
        except Exception as error:  # of a class that TensorFlow hides
            raise _unsupported("TFLite", served, error) from error
    _require_same(served, converted)
    file.write_bytes(converted)
    with zipfile.ZipFile(file, "a") as inside:
        for name, text in _describe(served).items():
            inside.writestr(name, text)


def _require_same(served: Served, converted: bytes) -> None:
    """The converter lets some operations pass that no interpreter knows."""
    shape = (1, *served.model.input_shape[1:])
    pixels = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    expected = probabilities_of_pixels(served, tf.constant(pixels)).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is to move to a package of its own
        interpreter = tf.lite.Interpreter(model_content=converted)
    try:
        found = interpreter.get_signature_runner()(pixels=pixels)["probabilities"]
    except (RuntimeError, ValueError) as error:
        raise _unsupported("TFLite", served, error) from error
    most = _TOLERANCE * expected.max()
    if found.shape != expected.shape or not np.abs(found - expected).max() < most:
        raise RunError(
            f"{served.model.name} as TFLite gives other probabilities for noise. --format "
            "savedmodel takes every network."
        )


def write_onnx(served: Served, file: pathlib.Path) -> None:
    """`pixels` (N, H, W, C) float32 -> `probabilities` (N, classes).

    Names and record are in the file's metadata, as JSON.

    Raises:
        RunError: if tf2onnx does not know an operation.
    """
    import onnx  # neither is needed for the rest
    import tf2onnx

    function = _make_pixel_function(served)
    try:
        made, _ = tf2onnx.convert.from_function(function, function.input_signature)
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
