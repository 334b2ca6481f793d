"""`python -m launch bench input [NAME...]`: from JPEG files to batches.

Everything reads the same files, in one process: the suite's training input, a
loop that only decodes, one that only decodes the windows that the suite drew,
and Keras's own input. They take turns; CPU seconds are of all threads.
"""

import dataclasses
import functools
import pathlib
import tempfile
import time
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
from common.data.transforms.view import View, image_size
from common.distribution.strategy import feed_gpus
from common.errors import UsageError
from common.recipes.recipe import Recipe
from launch.bench.rows import Request, Row, find_data, list_rows, take_turns
from launch.settings.overrides import apply
from launch.terminal.quiet import count_visible_gpus, quiet

NAMES = ("alexnet", "googlenet", "resnet34")
BATCH = 32  # images; the papers' batches would not be full with few files
CROP, FULL = "bare crop decode", "bare full decode"
KERAS = "image_dataset_from_directory and Keras layers"


class Encoded(TrainingSource):
    """JPEG files in memory."""

    jpeg = True

    def __init__(self, files: list[bytes], dataset: DataSet, shorter_side: int | None):
        self.shorter_side = shorter_side
        self.dataset = dataclasses.replace(dataset, splits={"train": len(files)})
        self.images = tf.constant(files)
        self.labels = tf.zeros(len(files), tf.int64)

    def records(self, split: str) -> tf.data.Dataset:
        """The records, in order."""
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
    if count_visible_gpus():
        feed_gpus()
    with quiet():
        tf.zeros(())  # TensorFlow says what it found no GPU by
    rows = []
    for name in request.names or NAMES:
        paper, variant = reproductions.find(name)
        recipe = apply(reproductions.load(paper).RECIPES[variant], request.changes)
        source = encode(recipe, request)
        recipe, own = dataclasses.replace(recipe, global_batch_size=BATCH), f"{variant} input"
        with tempfile.TemporaryDirectory() as folder:
            known = compute(source, recipe)
            boxes = tf.stack(list(draw_windows(recipe, source)))
            both = tf.data.Dataset.from_tensor_slices((source.images, boxes))
            ways = {
                own: pipeline.train_batches(source, recipe, known, seed=0, epoch=0),
                CROP: both.map(_decode_window, tf.data.AUTOTUNE),
                FULL: both.map(_decode, tf.data.AUTOTUNE),
                KERAS: _augment_by_keras(recipe, source, known, pathlib.Path(folder)),
            }
            passes = {what: _time_passes(data) for what, data in ways.items()}
            turns = take_turns(own, passes, request.rounds, warm_up=True)
        limits = {own: CROP, FULL: CROP, KERAS: own}
        images, title = source.dataset.splits["train"], source.dataset.title
        rows += list_rows(turns, limits, images=images, note=title)
    return rows


def encode(recipe: Recipe, request: Request) -> Encoded:
    """`request.images` of the data's files, over again if they are fewer."""
    data_dir = str(request.data_dir)
    dataset = find_data(request.data, recipe.data, recipe.channels, data_dir)
    source = catalog.open_source(dataset, data_dir)
    dataset = source.dataset
    split = "train" if "train" in dataset.splits else dataset.test_split
    records = source.records(split).take(request.images)
    files = [record["image"] for record in records.as_numpy_iterator()]
    if not all(tf.io.is_jpeg(file) for file in files):
        raise UsageError(
            f"bench input measures how JPEG files are decoded; {dataset.name} has "
            "others. Give --data folder:PATH, or a network that is trained on photographs."
        )
    turn = max(request.images // BATCH, 1) * BATCH
    whole = (files * -(-turn // len(files)))[:turn]
    dataset = dataclasses.replace(dataset, title=f"{len(files)} images of {dataset.title}")
    return Encoded(whole, dataset, source.shorter_side)


def draw_windows(recipe: Recipe, source: Encoded) -> tf.data.Dataset:
    """(top, left, height, width) of what the suite needs of each file."""
    chain = active(recipe.train_transforms, epoch=0)
    geometric = [op for op in chain if op[1].geometric]

    @tf.autograph.experimental.do_not_convert
    def box(position: Any, file: Any) -> Any:
        view = View.whole(*image_size(file, True))
        for place, op in geometric:
            view = op(view, ExampleRng(fold_in(0, 0, place), position))
        if view.patch:
            return tf.stack(list(view.patch.box))
        window, (height, width), (tall, wide) = view.window, view.source, view.canvas
        top, rows, *_ = span(window.top, window.height, height, tall)
        left, columns, *_ = span(window.left, window.width, width, wide)
        return tf.stack([top, left, rows, columns])

    return tf.data.Dataset.from_tensor_slices(source.images).enumerate().map(box)


def _decode_window(file: Any, box: Any) -> Any:
    return tf.io.decode_and_crop_jpeg(file, box, channels=3, dct_method="INTEGER_ACCURATE")


def _decode(file: Any, box: Any) -> Any:
    return tf.io.decode_jpeg(file, 3, dct_method="INTEGER_ACCURATE")


def _augment_by_keras(
    recipe: Recipe, source: Encoded, known: Statistics, folder: pathlib.Path
) -> tf.data.Dataset:
    """The nearest that Keras has; its zoom stays centred.

    There is no layer for the noise of AlexNet and ResNet: it is left out.
    """
    (folder / "all").mkdir()
    for i, file in enumerate(source.images.numpy()):
        (folder / "all" / f"{i:05}.jpg").write_bytes(file)
    size, first = recipe.image_size, recipe.train_transforms[0]
    frame, zoom = getattr(first, "size", size), 0.0  # shorter side; the strongest zoom
    if isinstance(first, RandomShorterSide):
        frame, zoom = first.low, first.low / first.high - 1
    elif isinstance(first, DistortedBoxCrop | FirstFittingAreaCrop | RandomAreaCrop):
        frame, zoom = size * 8 // 7, first.area[0] ** 0.5 - 1
    batches = keras.utils.image_dataset_from_directory(
        folder,
        batch_size=BATCH,
        image_size=(frame, frame),
        crop_to_aspect_ratio=True,
        verbose=False,
    )
    layers = [keras.layers.RandomZoom((zoom, 0.0), (zoom, 0.0))] if zoom else []
    layers += [keras.layers.RandomCrop(size, size), keras.layers.RandomFlip("horizontal")]
    if any(not op.geometric for op in recipe.train_transforms):
        colours = ("RandomContrast", "RandomBrightness", "RandomSaturation")
        layers += [getattr(keras.layers, name)(0.5, value_range=(0, 255)) for name in colours]
    layers.append(keras.layers.Normalization(-1, known.pixel_mean, np.ones(3)))

    def augment(images: Any, labels: Any) -> Any:
        return functools.reduce(lambda x, layer: layer(x, training=True), layers, images), labels

    return batches.map(augment, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _time_passes(dataset: tf.data.Dataset) -> Any:
    """What goes through a data set without touching Python: (CPU seconds, seconds)."""
    whole = tf.function(lambda: dataset.reduce(np.int64(0), lambda count, *_: count + 1))

    def go() -> tuple[float, float]:
        began, cpu = time.monotonic(), time.process_time()
        whole()
        return time.process_time() - cpu, time.monotonic() - began

    return go
