"""The network inputs that a paper's own test protocol makes of each image.

One image after another, so that memory holds the inputs of a few images only.
"""

from typing import Any

import tensorflow as tf

from common.data.dataset import Source
from common.data.examples import require_class
from common.data.sharding import parallel_map
from common.data.statistics import Statistics
from common.data.transforms.pixels import (
    Context,
    SubtractCentreMean,
    SubtractChannelMean,
    SubtractMeanImage,
)
from common.data.transforms.resampling import span, triangle
from common.data.transforms.view import View, image_size, mirror, realize
from common.evaluation.protocols import Part
from common.recipes.recipe import Recipe

HELD_INPUTS = 256  # prepared at a time, unless two images have more


def own_view_batches(
    source: Source,
    split: str,
    recipe: Recipe,
    statistics: Statistics | None,
    view: Any,
    *,
    batch_size: int,
    multiple: int = 1,
    skip: int = 0,
) -> tf.data.Dataset:
    """Every image of a split once, in file order, from `skip` on.

    Args:
        source: See common.data.catalog.open_source.
        recipe: Its channels and `normalize`; not its test_transforms.
        view: See common.evaluation.protocols.
        batch_size: Images; 1 where their inputs have different sizes.
        multiple: The number of batches is one of this.

    Returns:
        (parts, labels, counts, ids): for each of the view's parts (batch_size,
        inputs, H, W, C) float32; the others as those of frame_views.test_batches.
    """

    def cut(record: dict[str, Any]) -> tuple:
        parts = inputs(source, record["image"], recipe, statistics, view)
        label = require_class(record["label"], recipe)
        return parts, label, tf.ones(()), record["id"]

    examples = source.records(split).skip(skip)
    examples = parallel_map(examples, cut, _in_parallel(view))
    padding = (skip - source.dataset.splits[split]) % (batch_size * multiple)
    again = examples.take(1).map(lambda p, label, _, i: (p, label, 0.0, i))
    examples = examples.concatenate(again.repeat(padding))
    return examples.batch(batch_size, drop_remainder=True).prefetch(1)


def images_at_once(view: Any, most: int) -> int:
    """Images that have `most` inputs together; 1 if the inputs' sizes vary."""
    landscape, portrait = view.parts(375, 500), view.parts(500, 375)
    if any(one.size != other.size for one, other in zip(landscape, portrait, strict=True)):
        return 1
    return max(1, most // sum(len(part.cuts) for part in landscape))


def _in_parallel(view: Any) -> int:
    """Images; the number of their inputs does not depend on their size."""
    many = sum(len(part.cuts) for part in view.parts(500, 500))
    return min(16, max(2, HELD_INPUTS // many))


def inputs(
    source: Source, encoded: Any, recipe: Recipe, statistics: Statistics | None, view: Any
) -> tuple[tf.Tensor, ...]:
    """For each part of the view (inputs, H, W, C), normalised."""
    size = source.image_shape or image_size(encoded, source.jpeg)
    whole = View.whole(*size)
    made = []
    for part in view.parts(*size):
        canvas = whole.resize(*part.canvas)
        image = realize(canvas, encoded, recipe.channels, source.jpeg)
        context = Context(0, 0, False, statistics)
        image = _normalize(recipe)(image, context)
        made.append(tf.stack(list(_cuts(image, part))))
    return tuple(made)


def _normalize(recipe: Recipe) -> Any:
    """The recipe's; of a mean image only the mean, the same at each place.

    A mean image belongs to one frame; what the papers subtract from an image
    of another size they do not say.
    """
    framed = isinstance(recipe.normalize, SubtractMeanImage | SubtractCentreMean)
    return SubtractChannelMean() if framed else recipe.normalize


def _cuts(image: tf.Tensor, part: Part):
    """Each window of the canvas, resized to the part's size, and mirrored."""
    for cut in part.cuts:
        seen = tf.slice(
            image,
            tf.stack([cut.top, cut.left, 0]),
            tf.stack([cut.height, cut.width, image.shape[-1]]),
        )
        if isinstance(cut.height, int) and cut.height != part.size[0]:
            y = span(0, part.size[0], cut.height, part.size[0])
            x = span(0, part.size[1], cut.width, part.size[1])
            seen = triangle(seen, part.size, y, x)
        known = [n if isinstance(n, int) else None for n in part.size]
        yield mirror(tf.ensure_shape(seen, (*known, None)), cut.mirrored)
