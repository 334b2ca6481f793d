"""What a network sees of each image of a split under a view: see common.evaluation.views."""

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import Any

from common.data import pipeline
from common.data.dataset import Source
from common.data.examples import require_class, view_of
from common.data.images.decoder import is_png
from common.data.sharding import WHOLE, WorkerShard, parallel_map
from common.data.statistics import Statistics
from common.data.transforms import Context
from common.data.transforms.pixels import (
    SubtractCentreMean,
    SubtractChannelMean,
    SubtractMeanImage,
)
from common.data.transforms.resampling import span, triangle
from common.data.transforms.view import image_size, mirror, realize
from common.errors import UsageError
from common.evaluation.views import FrameView, ScaledImage
from common.lazy import np, tf
from common.recipes.recipe import Recipe

TEST_INPUTS = 128  # in a test batch, over all replicas
HELD_INPUTS = 256  # prepared at a time, unless two images have more


def require_fitting(source: Source, recipe: Recipe, names: Sequence[str]) -> None:
    """What would fail after a training is found before it.

    Raises:
        UsageError: if a view does not fit the frame that the recipe tests on.
    """
    frames = pipeline.frames(source, source.dataset.test_split, recipe)
    height, width, _ = frames.element_spec["image"].shape
    for name in names:
        FrameView(name=name, size=recipe.image_size).scaled_images(height, width)


def count_inputs(view: Any, size: int) -> int:
    """The number of network inputs per image, the same of all; the network's is size x size."""
    return sum(len(image.crops) for image in view.scaled_images(size, size))


def images_at_once(view: Any, size: int, replicas: int = 1) -> int:
    """Images of a replica's test batch; 1 if each has inputs of its own size."""
    if any(image.size is None for image in view.scaled_images(size, size)):
        return 1
    return math.ceil(TEST_INPUTS / count_inputs(view, size) / replicas)


def test_batches(
    source: Source,
    split: str,
    recipe: Recipe,
    statistics: Statistics | None,
    view: Any,
    *,
    batch_size: int,
    replicas: int = 1,
    skip: int = 0,
    shard: WorkerShard = WHOLE,
) -> Any:
    """Every image of a split once, in file order, a tf.data.Dataset.

    Args:
        batch_size: Images of a replica's batch; 1 where their inputs have different sizes.
        replicas: Of all workers; each takes the next batch, and all have as many.
        skip: Images at the beginning that are left out; not decoded.
        shard: Of the replicas' batches, what this worker computes.

    Returns:
        (inputs, labels, counts, ids): of each of the view's scaled images (batch_size, crops,
        H, W, C) float32; (batch_size,) int64; (batch_size,) float32, 1 for an image and 0 for
        the padding of the last batches; (batch_size,) string.

    Raises:
        UsageError: if the view does not fit the recipe's frame.
    """

    def example(record: dict[str, Any]) -> tuple:
        inputs = make_inputs(source, record, recipe, statistics, view)
        return inputs, require_class(record["label"], recipe), tf.ones(()), record["id"]

    def blank(spec: tf.TensorSpec) -> tf.Tensor:  # as large as a network's input, or larger
        return tf.zeros([side or recipe.image_size for side in spec.shape], spec.dtype)

    together = batch_size * replicas
    records = shard.select_records(source.records(split).skip(skip), together)
    images_held = max(2, HELD_INPUTS // count_inputs(view, recipe.image_size))
    examples = parallel_map(records, example, min(len(os.sched_getaffinity(0)), images_held))
    padding = shard.count_missing(source.dataset.splits[split] - skip, together)
    blanks = tf.data.Dataset.from_tensors(tf.nest.map_structure(blank, examples.element_spec))
    return WHOLE.batch(examples.concatenate(blanks.repeat(padding)), batch_size)


def make_inputs(
    source: Source, record: dict[str, Any], recipe: Recipe, statistics: Statistics | None, view: Any
) -> tuple[Any, ...]:
    """The network inputs, normalised: one (crops, H, W, C) array per scaled image of the view.

    A mean image belongs to the recipe's frame; what the papers subtract from an image of
    another size they do not say: the mean's mean, here, the same at each place.
    """
    if isinstance(view, FrameView):
        frame = pipeline.frame(source, record, recipe)["image"]
        [scaled] = view.scaled_images(*frame.shape[:2])
        return (cut_crops(frame, scaled, recipe.normalize, statistics),)
    normalize = recipe.normalize
    if isinstance(normalize, SubtractMeanImage | SubtractCentreMean):
        normalize = SubtractChannelMean()
    encoded = record["image"]
    whole = view_of(source, encoded)
    inputs = []
    for scaled in view.scaled_images(*whole.source):
        image = realize(whole.resize(*scaled.canvas), encoded, recipe.channels, source.jpeg)
        inputs.append(cut_crops(image, scaled, normalize, statistics))
    return tuple(inputs)


@dataclasses.dataclass(frozen=True)
class _Files(Source):
    """Encoded images that are given: JPEG or PNG, as the file says."""

    image_shape: tuple[int, int] | None


def inputs_of_file(
    encoded: Any, recipe: Recipe, statistics: Statistics | None, view: FrameView, side: int | None
) -> Any:
    """Of a JPEG or PNG file, a string tensor, (crops, H, W, C), normalised; as a graph, too.

    Args:
        side: Height and width that it must have, see common.data.pipeline.stored_side.
    """

    def require(found: Any, wanted: Any, said: str) -> Any:  # before decoding
        if tf.executing_eagerly():
            if not np.array_equal(found, wanted):
                raise UsageError(f"{said[0].upper()}{said[1:]}.")
            return encoded
        with tf.control_dependencies([tf.debugging.assert_equal(found, wanted, said)]):
            return tf.identity(encoded)

    known = tf.io.is_jpeg(encoded) | is_png(encoded)
    encoded = require(known, True, "an image here is a JPEG or PNG file: convert it first")
    if side:
        stored = tf.stack(image_size(encoded, None))
        encoded = require(stored, [side, side], f"images here have {side} x {side} pixels")
    record = {"image": encoded, "label": tf.zeros((), tf.int64), "id": ""}
    source = _Files((side, side) if side else None)
    [inputs] = make_inputs(source, record, recipe, statistics, view)
    return inputs


def cut_crops(
    image: Any, scaled: ScaledImage, normalize: Any, statistics: Statistics | None
) -> Any:
    """(crops, H, W, C), normalised, of the image that has the canvas's size."""
    made = []
    for crop in scaled.crops:
        place = tf.stack([crop.top, crop.left, 0])
        pixels = tf.slice(image, place, tf.stack([crop.height, crop.width, image.shape[-1]]))
        size = scaled.size
        if size is not None and size != crop.height:
            axis = span(0, size, crop.height, size)
            pixels = triangle(pixels, (size, size), axis, axis)
        sides = (size, size) if size else (crop.height, crop.width)
        known = [side if isinstance(side, int) else None for side in sides]
        pixels = mirror(tf.ensure_shape(pixels, (*known, image.shape[-1])), crop.mirrored)
        context = Context(crop.top, crop.left, crop.mirrored, statistics)
        made.append(normalize(pixels, context))
    return tf.stack(made)
