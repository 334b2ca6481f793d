"""`python -m launch export NAME --weights F --out P`: a model to serve.

See common.export for what is inside, and what each format can do.
"""

import contextlib
import hashlib
import pathlib
import sys
import time
from typing import Any

import keras
import tensorflow as tf

import reproductions
from common import export
from common.evaluation.views import FrameView
from common.files import whole, write_json, writing
from common.recipes.recipe import Recipe
from common.recipes.serialization import recipe_hash
from common.training.run_record import command, commit_of, now, versions
from launch.commands.export_request import record_of
from launch.commands.predict import class_names, stored_side, subtracted
from launch.commands.train import build_network
from launch.settings.options import Options
from launch.terminal.quiet import quiet
from launch.weights.published import frame_side
from launch.weights.run_weights import Trained, load_weights

_WRITERS = {
    "savedmodel": export.write_saved_model,
    "onnx": export.write_onnx,
    "tflite": export.write_tflite,
}


def run(
    paper: str,
    variant: str,
    options: Options,
    trained: Trained | None,
    kind: str,
    target: pathlib.Path,
) -> int:
    """Writes `target`, and for a single file its record beside it.

    Args:
        trained: The run that the weights are from, if it is known.
        kind: "savedmodel", "onnx" or "tflite".

    Returns:
        Exit code 0.

    Raises:
        RunError: if the weights are another network's, or the format cannot
            hold the network.
    """
    began = time.monotonic()
    served = _served(paper, variant, options, trained)
    print(
        f"{variant} is read ({time.monotonic() - began:.0f} s); now it is "
        f"written as {kind}, which takes seconds, and minutes for deep or "
        "large networks.",
        file=sys.stderr,
        flush=True,
    )
    _write(kind, served, target)
    size = sum(
        file.stat().st_size for file in ([target] if target.is_file() else target.rglob("*"))
    )
    print(
        f"{target}: {variant} as {kind}, {size / 1e6:,.1f} MB, "
        f"{len(served.names)} classes, {served.view.name} of {served.recipe.data}"
    )
    return 0


def _served(paper: str, variant: str, options: Options, trained: Trained | None) -> export.Served:
    with quiet():
        tf.config.set_visible_devices([], "GPU")  # it then runs anywhere
    recipe = options.recipe
    view = options.views[0] if options.views else recipe.monitor
    statistics = subtracted(options, trained)
    names = class_names(options, trained)
    strategy = tf.distribute.get_strategy()
    model = build_network(paper, variant, recipe, strategy)
    load_weights(model, options.weights, recipe)
    if len(model.outputs) > 1:  # the others only train the first
        model = keras.Model(model.inputs, model.outputs[0], name=model.name)
    side = stored_side(recipe)
    return export.Served(
        model=model,
        recipe=recipe,
        statistics=statistics,
        names=tuple(names),
        view=FrameView(name=view, size=recipe.image_size),
        stored_side=side,
        frame_side=frame_side(recipe, side or 4 * recipe.image_size),
        record=_record(paper, variant, options, view, names),
    )


def _record(paper: str, variant: str, options: Options, view: str, names) -> dict[str, Any]:
    """Where the model comes from, and what it takes and gives."""
    recipe: Recipe = options.recipe
    with open(options.weights, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = [recipe.image_size, recipe.image_size, recipe.channels]
    return {
        "paper": paper,
        "variant": variant,
        "data": recipe.data,
        "recipe": recipe_hash(recipe),
        "test_transforms": repr(recipe.test_transforms),
        "normalize": repr(recipe.normalize),
        "view": view,
        "pixels": {"shape": size, "values": "0 .. 255, RGB or grey"},
        "weights": digest,
        "precision": "float32",
        "command": command(),
        "commit": commit_of(reproductions.REPOSITORY),
        "versions": versions(),
        "exported": now(),
        "class_names": list(names),
    }


def _write(kind: str, served: export.Served, target: pathlib.Path) -> None:
    """`target` appears whole or not at all."""
    record, folder = record_of(target), target.absolute().parent
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        with whole(target) as made:
            with quiet():  # converters say much
                _WRITERS[kind](served, made)
            if made.is_file():
                with writing(record):
                    write_json(record, served.record)
    except BaseException:
        if kind != "savedmodel":
            record.unlink(missing_ok=True)
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
