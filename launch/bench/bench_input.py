"""`python -m launch bench input [NAME...]`: from JPEG files to batches.

Everything reads the same files, in one process: the suite's training input, a
loop that only decodes, one that only decodes the windows that the suite drew,
and Keras's own input. They take turns; CPU seconds are of all threads.
"""

import dataclasses
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import reproductions
from common.data import catalog, pipeline
from common.data.dataset import DataSet, Shuffled, TrainingSource
from common.data.rng import ExampleRng, fold_in
from common.data.statistics import Statistics, compute
from common.data.transforms import (
    DistortedBoxCrop,
    FirstFittingAreaCrop,
    RandomAreaCrop,
    RandomShorterSide,
    active,
)
from common.data.transforms.resampling import span
from common.data.transforms.view import Box, View, image_size
from common.distribution.strategy import feed_gpus
from common.errors import RunError, UsageError
from common.recipes.recipe import Recipe
from launch.bench.rows import Request, Row
from launch.terminal.display import Counting
from launch.terminal.quiet import quiet

NAMES = ("alexnet", "googlenet", "resnet34")
BATCH = 32  # images; the papers' batches would not be full with few files
CROP, FULL = "bare crop decode", "bare full decode"
KERAS = "image_dataset_from_directory and Keras layers"


class Encoded(TrainingSource):
    """JPEG files in memory."""

    jpeg = True

    def __init__(self, files: list[bytes], dataset: DataSet, shorter_side: int | None):
        self.shorter_side = shorter_side
        splits = {"train": len(files)}
        self.dataset = dataclasses.replace(dataset, splits=splits)
        self.images = tf.constant(files)
        self.labels = tf.zeros(len(files), tf.int64)

    def records(self, split: str) -> Any:
        """A tf.data.Dataset of the records, in order."""
        return tf.data.Dataset.from_tensor_slices(
            {"image": self.images, "label": self.labels, "id": self.images}
        )

    def shuffled(self, split: str, *, seed: int, epoch: int, skip: int) -> Shuffled:
        """The records in order: the bare loops read them so, too."""
        return Shuffled(self.records(split).enumerate().skip(skip), lambda r: r)


def run(request: Request) -> list[Row]:
    """Rows of each of `request.names`, or of NAMES.

    Raises:
        UsageError: for a network that is not trained on JPEG files.
    """
    with quiet():
        if tf.config.list_physical_devices("GPU"):
            feed_gpus()
        tf.zeros(())  # TensorFlow says what it found no GPU by
    rows, counting = [], Counting()
    for name in request.names or NAMES:
        paper, variant = reproductions.find(name)
        recipe = reproductions.load(paper).RECIPES[variant]
        source = _source(recipe, request)
        recipe = dataclasses.replace(recipe, global_batch_size=BATCH)
        with tempfile.TemporaryDirectory() as folder:
            loops = _loops(variant, recipe, source, pathlib.Path(folder))
            turns = _take_turns(variant, loops, request.rounds, counting)
        images = source.dataset.splits["train"]
        rows += _rows(variant, turns, images, source.dataset.title)
    counting.clear()
    return rows


def _source(recipe: Recipe, request: Request) -> Encoded:
    """`request.images` of the data's files, over again if they are fewer."""
    data_dir = str(request.data_dir)
    try:
        name = request.data or recipe.data
        dataset = catalog.find(name, recipe.channels, data_dir)
        source = catalog.open_source(dataset, data_dir)
    except RunError:
        if request.data:
            raise
        dataset = catalog.find("sample", recipe.channels)
        source = catalog.open_source(dataset, data_dir)
    splits = source.dataset.splits
    split = "train" if "train" in splits else source.dataset.test_split
    records = source.records(split).take(request.images)
    files = [record["image"] for record in records.as_numpy_iterator()]
    if not all(tf.io.is_jpeg(file) for file in files):
        raise UsageError(
            f"bench input measures how JPEG files are decoded; "
            f"{source.dataset.name} has others. Give --data folder:PATH, or "
            "a network that is trained on photographs."
        )
    turn = max(request.images // BATCH, 1) * BATCH
    whole = (files * -(-turn // len(files)))[:turn]
    title = f"{len(files)} images of {source.dataset.title}"
    dataset = dataclasses.replace(dataset, title=title)
    return Encoded(whole, dataset, source.shorter_side)


def _loops(
    variant: str, recipe: Recipe, source: Encoded, folder: pathlib.Path
) -> dict[str, Callable[[], Any]]:
    """What takes turns; each call is one pass over the images."""
    known = compute(source, recipe)
    boxes = tf.stack(list(_boxes(recipe, source)))
    both = tf.data.Dataset.from_tensor_slices((source.images, boxes))
    suite = pipeline.train_batches(source, recipe, known, seed=0, epoch=0)
    datasets = {
        f"{variant} input": suite,
        CROP: both.map(_decode_window, tf.data.AUTOTUNE),
        FULL: both.map(lambda file, _: _decode(file), tf.data.AUTOTUNE),
        KERAS: _keras(recipe, source, known, folder),
    }
    return {what: _pass(dataset) for what, dataset in datasets.items()}


def _boxes(recipe: Recipe, source: Encoded) -> Iterable[Any]:
    """(top, left, height, width) of what the suite needs of each file."""
    chain = active(recipe.train_transforms, epoch=0)
    geometric = [op for op in chain if op[1].geometric]

    def box(position: Any, file: Any) -> Any:
        view = View.whole(*image_size(file, True))
        for place, op in geometric:
            view = op(view, ExampleRng(fold_in(0, 0, place), position))
        return tf.stack(list(vars(_box(view)).values()))

    plain = tf.autograph.experimental.do_not_convert(box)
    files = tf.data.Dataset.from_tensor_slices(source.images)
    return files.enumerate().map(plain)


def _box(view: View) -> Box:
    if view.patch:
        return view.patch.box
    window, axes = view.window, zip(view.source, view.canvas, strict=True)
    (height, tall), (width, wide) = axes
    top, rows, *_ = span(window.top, window.height, height, tall)
    left, columns, *_ = span(window.left, window.width, width, wide)
    return Box(top, left, rows, columns)


def _decode_window(file: Any, box: Any) -> Any:
    return tf.io.decode_and_crop_jpeg(file, box, channels=3, dct_method="INTEGER_ACCURATE")


def _decode(file: Any) -> Any:
    return tf.io.decode_jpeg(file, 3, dct_method="INTEGER_ACCURATE")


def _keras(recipe: Recipe, source: Encoded, known: Statistics, folder: pathlib.Path) -> Any:
    """The nearest that Keras has; its zoom stays centred.

    There is no layer for the noise of AlexNet and ResNet: it is left out.
    """
    (folder / "all").mkdir()
    for i, file in enumerate(source.images.numpy()):
        (folder / "all" / f"{i:05}.jpg").write_bytes(file)
    size, scale = recipe.image_size, recipe.train_transforms[0]
    frame, zoom = _scale(scale, size)
    batches = keras.utils.image_dataset_from_directory(
        folder,
        batch_size=BATCH,
        image_size=(frame, frame),
        crop_to_aspect_ratio=True,
        verbose=False,
    )
    layers = [
        *([keras.layers.RandomZoom((zoom, 0.0), (zoom, 0.0))] if zoom else []),
        keras.layers.RandomCrop(size, size),
        keras.layers.RandomFlip("horizontal"),
    ]
    if any(not op.geometric for op in recipe.train_transforms):
        layers += [
            keras.layers.RandomContrast(0.5, value_range=(0, 255)),
            keras.layers.RandomBrightness(0.5, value_range=(0, 255)),
            keras.layers.RandomSaturation(0.5, value_range=(0, 255)),
        ]
    layers.append(keras.layers.Normalization(-1, known.pixel_mean, np.ones(3)))

    def augment(images: Any, labels: Any) -> Any:
        for layer in layers:
            images = layer(images, training=True)
        return images, labels

    mapped = batches.map(augment, tf.data.AUTOTUNE)
    return mapped.prefetch(tf.data.AUTOTUNE)


def _scale(operation: Any, size: int) -> tuple[int, float]:
    """Shorter side after decoding; the strongest zoom, as Keras counts it."""
    if isinstance(operation, RandomShorterSide):
        return operation.low, operation.low / operation.high - 1
    crops = DistortedBoxCrop | FirstFittingAreaCrop | RandomAreaCrop
    if isinstance(operation, crops):
        return size * 8 // 7, operation.area[0] ** 0.5 - 1
    return getattr(operation, "size", size), 0.0


def _pass(dataset: Any) -> Callable[[], Any]:
    """Goes through a data set without touching Python."""
    return tf.function(lambda: dataset.reduce(np.int64(0), lambda count, *_: count + 1))


def _take_turns(
    variant: str, loops: dict[str, Callable[[], Any]], rounds: int, counting: Counting
) -> dict[str, list[tuple[float, float]]]:
    """(CPU seconds, seconds) of every turn; the first, untimed, warms up."""
    turns = {what: [] for what in loops}
    for number in range(-1, rounds):
        counting.show(f"{variant} input, rounds", number + 1, rounds + 1)
        for what, loop in loops.items():
            began, cpu = time.monotonic(), time.process_time()
            loop()
            took = time.process_time() - cpu, time.monotonic() - began
            if number >= 0:
                turns[what].append(took)
    return turns


def _rows(variant: str, turns: dict[str, list], images: int, title: str) -> list[Row]:
    suite = f"{variant} input"
    limits = {suite: CROP, FULL: CROP, KERAS: suite}
    return [_row(what, turns, limits.get(what, ""), images, title) for what in turns]


def _row(what: str, turns: dict[str, list], limit: str, images: int, title: str) -> Row:
    cpu, seconds = zip(*turns[what], strict=True)
    against = [used for used, _ in turns.get(limit, ())]
    pairs = zip(cpu, against, strict=False)
    return Row(
        what=what,
        cpu_seconds_per_image=statistics.median(cpu) / images,
        images_per_second=images / statistics.median(seconds),
        ratio=statistics.median(a / b for a, b in pairs) if limit else None,
        limit=limit,
        note=title,
    )
