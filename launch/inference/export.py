"""A model to serve. See common.export for what is inside, and what each format can do."""

import contextlib
import pathlib
import sys
import time

import keras
import tensorflow as tf

import reproductions
from common import export
from common.data.pipeline import frame_side, stored_side
from common.evaluation.views import FrameView
from common.files import whole, write_json, writing
from common.training.run_record import commit_of, now
from launch.inference.network_inputs import describe_network, find_statistics, read_class_names
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
    """Writes `target`, and for a single file its record beside it; exit code 0.

    Args:
        kind: "savedmodel", "onnx" or "tflite".
        view: None means the one that the recipe is monitored with.

    Raises:
        RunError: if the weights are another network's, or the format cannot hold the network.
    """
    began, variant = time.monotonic(), network.experiment.variant
    served = _read(network, view or network.experiment.recipe.monitor)
    print(
        f"{variant} is read ({time.monotonic() - began:.0f} s); now it is written as {kind}, which "
        "takes seconds, and minutes for deep or large networks.",
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
    recipe = network.experiment.recipe
    statistics, names = find_statistics(network), read_class_names(network)
    model = build_network(network.experiment, tf.distribute.get_strategy())
    load_weights(model, network.file, recipe)
    if len(model.outputs) > 1:  # the others only train the first
        model = keras.Model(model.inputs, model.outputs[0], name=model.name)
    side = stored_side(recipe)
    size = [recipe.image_size, recipe.image_size, recipe.channels]
    record = describe_network(network, view, "float32") | {
        "test_transforms": repr(recipe.test_transforms),
        "normalize": repr(recipe.normalize),
        "pixels": {"shape": size, "values": "0 .. 255, RGB or grey"},
        "commit": commit_of(reproductions.REPOSITORY),
        "exported": now(),
        "class_names": list(names),
    }
    return export.Served(
        model=model,
        recipe=recipe,
        statistics=statistics,
        names=names,
        view=FrameView(name=view, size=recipe.image_size),
        stored_side=side,
        frame_side=frame_side(recipe, side or 4 * recipe.image_size),
        record=record,
    )


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
