"""A model to serve. See common.export for what is inside, and what each format can do."""

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
from common.data.pipeline import frame_side, stored_side
from common.evaluation.views import FrameView
from common.files import whole, write_json, writing
from common.recipes.serialization import recipe_hash
from common.training.run_record import command, commit_of, now, versions
from launch.inference.network_inputs import find_statistics, read_class_names
from launch.session.setup import build_network
from launch.terminal.new_files import record_of
from launch.terminal.quiet import quiet
from launch.weights.bundled_weights import Network
from launch.weights.run_weights import load_weights

_WRITERS = {
    "savedmodel": export.write_saved_model,
    "onnx": export.write_onnx,
    "tflite": export.write_tflite,
}


def run(network: Network, kind: str, target: pathlib.Path, view: str | None) -> int:
    """Writes `target`, and for a single file its record beside it.

    Args:
        kind: "savedmodel", "onnx" or "tflite".
        view: None means the one that the recipe is monitored with.

    Returns:
        Exit code 0.

    Raises:
        RunError: if the weights are another network's, or the format cannot
            hold the network.
    """
    began, variant = time.monotonic(), network.experiment.variant
    served = _read(network, view or network.experiment.recipe.monitor)
    print(
        f"{variant} is read ({time.monotonic() - began:.0f} s); now it is "
        f"written as {kind}, which takes seconds, and minutes for deep or "
        "large networks.",
        file=sys.stderr,
        flush=True,
    )
    _write(kind, served, target)
    files = [target] if target.is_file() else target.rglob("*")
    print(
        f"{target}: {variant} as {kind}, {sum(file.stat().st_size for file in files) / 1e6:,.1f} "
        f"MB, {len(served.names)} classes, {served.view.name} of {served.recipe.data}"
    )
    return 0


def _read(network: Network, view: str) -> export.Served:
    with quiet():
        tf.config.set_visible_devices([], "GPU")  # it then runs anywhere
    experiment, recipe = network.experiment, network.experiment.recipe
    statistics = find_statistics(experiment, network.run)
    names = read_class_names(experiment, network.run)
    model = build_network(experiment, tf.distribute.get_strategy())
    load_weights(model, network.file, recipe)
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
        record=_describe(network, view, names),
    )


def _describe(network: Network, view: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Where the model comes from, and what it takes and gives."""
    recipe = network.experiment.recipe
    with open(network.file, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = [recipe.image_size, recipe.image_size, recipe.channels]
    return {
        "paper": network.experiment.paper,
        "variant": network.experiment.variant,
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
