"""Error rates over a whole split, every image exactly once."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from common.data.dataset import Source
from common.data.diagnosis import explained
from common.data.resident import LIMIT
from common.distribution.collectives import Workers
from common.distribution.strategy import SUM, distribute
from common.errors import NotFinite, RunError
from common.evaluation import frame_views
from common.evaluation.views import COUNTS
from common.recipes.recipe import Recipe

TEST_VIEWS = 128  # network inputs in a test batch, over all replicas


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """A network's errors on a split under a view.

    Attributes:
        view: See common.evaluation.views.
        num_images: How many were counted: all of the split.
        top1_error: Percent.
        top5_error: Percent; None with five classes or fewer.
        loss: Mean of the recipe's loss over the images; of several views, of
            the mean of their class probabilities' logarithms.
    """

    view: str
    split: str
    num_images: int
    top1_error: float
    top5_error: float | None
    loss: float


def make_test_step(
    model: keras.Model,
    loss: Callable,
    strategy: tf.distribute.Strategy,
    *,
    jit_compile: bool = False,
) -> Callable:
    """`test(iterator)`: (loss, top-1 wrong, top-5 wrong, images) of a batch.

    All are float32 sums over the images that count. With `jit_compile` XLA
    computes each device's.
    """

    def sums(weights, statistics, images, labels, counts):
        def stateless(inputs, training):
            outputs, _ = model.stateless_call(weights, statistics, inputs, training=training)
            return outputs

        scores, losses = scores_of(stateless, loss, images, labels)
        # A loss may look at one class only; the errors look at all.
        sound = tf.reduce_all(tf.math.is_finite(scores), axis=1)
        losses = tf.where(sound, losses, math.nan)
        losses = tf.where(counts > 0, losses, 0.0)  # not of the padding
        # Not in_top_k: it counts ties as right, so a dead net would be perfect.
        best = tf.math.top_k(scores, min(5, scores.shape[-1])).indices
        hits = best == tf.cast(labels, tf.int32)[:, tf.newaxis]
        wrong = [1.0 - tf.reduce_max(tf.cast(hits[:, :k], tf.float32), axis=1) for k in (1, 5)]
        return [tf.reduce_sum(x * counts) for x in (losses, *wrong)] + [tf.reduce_sum(counts)]

    if jit_compile:
        sums = tf.function(sums, jit_compile=True)

    def replica_step(*batch):
        values = (
            [tf.convert_to_tensor(v.value) for v in variables]
            for variables in (model.trainable_variables, model.non_trainable_variables)
        )
        return sums(*values, *batch)

    @tf.function
    def test(iterator):
        images, labels, counts, _ = next(iterator)
        sums = strategy.run(replica_step, args=(images, labels, counts))
        return [strategy.reduce(SUM, total, None) for total in sums]

    return test


def scores_of(model, loss, images, labels) -> tuple[tf.Tensor, tf.Tensor]:
    """Scores (batch, classes) and losses (batch,) of (batch, V, H, W, C).

    Of one view, the scores are the logits; of several, the logarithm of the
    mean of their softmax outputs, as AlexNet's Section 4.1 averages.
    """
    views = images.shape[1]
    flat = tf.reshape(images, (-1, *images.shape[2:]))
    logits = model(flat, training=False)
    logits = logits[0] if isinstance(logits, list | tuple) else logits
    logits = tf.cast(logits, tf.float32)
    if views == 1:
        return logits, loss(logits, labels)
    shape = (-1, views, logits.shape[-1])
    logs = tf.nn.log_softmax(tf.reshape(logits, shape))
    # The logarithm of the mean; finite where a probability underflows.
    scores = tf.reduce_logsumexp(logs, axis=1) - math.log(views)
    return scores, loss(scores, labels)


def measure(
    test: Callable,
    strategy: tf.distribute.Strategy,
    source: Source,
    recipe: Recipe,
    statistics: Any,
    view: str,
    progress: Callable[[int, int], None],
    batches: tf.data.Dataset | None = None,
) -> Result:
    """The errors on the source's test split under `view`.

    Args:
        test: From `make_test_step`.
        source: From common.data.catalog.open_source.
        statistics: From common.data.statistics.statistics_for.
        progress: Called with (images done, all images) after each batch.
        batches: From `open_batches`; None makes them.

    Raises:
        RunError: unless every image of the split was counted.
        NotFinite: if a score is no number.
    """
    split = source.dataset.test_split
    num_images = source.dataset.splits[split]
    with explained(source, split, recipe):
        if batches is None:
            batches = open_batches(strategy, source, recipe, statistics, view)
        iterator = distribute(strategy, batches)
        where = f"of the split {split!r} under {view}"
        sums = _total(test, iterator, num_images, progress, where)
    return result(view, split, sums, num_images, recipe.num_classes)


def open_batches(
    strategy: tf.distribute.Strategy, source: Source, recipe: Recipe, statistics: Any, view: str
) -> tf.data.Dataset:
    """The test split under `view`, to be measured once or again and again.

    Of a small set they are made once, and kept.
    """
    split = source.dataset.test_split
    batches = frame_views.test_batches(
        source,
        split,
        recipe,
        statistics,
        view,
        batch_size=test_batch_size(view, strategy),
        shard=Workers(strategy).shard,
    )
    images = 4 * source.dataset.splits[split] * math.prod(batches.element_spec[0].shape[1:])
    if source.image_shape is not None and images <= LIMIT:
        batches = batches.cache()
    return batches


def result(view: str, split: str, sums: np.ndarray, num_images: int, num_classes: int) -> Result:
    """From sums over a split, (4,): losses, top-1 and top-5 wrong, images.

    Raises:
        RunError: unless every image of the split was counted.
    """
    if sums[3] != num_images:
        raise RunError(
            f"The split {split!r} has {num_images} images, {int(sums[3])} were "
            "evaluated: the data set is incomplete, or not what it says."
        )
    loss, top1, top5, _ = (float(total) / num_images for total in sums)
    return Result(
        view=view,
        split=split,
        num_images=num_images,
        top1_error=100 * top1,
        top5_error=100 * top5 if num_classes > 5 else None,
        loss=loss,
    )


def _total(test, iterator, num_images: int, progress: Callable, where: str) -> np.ndarray:
    sums = np.zeros(4)
    while True:
        try:
            batch = np.array([float(total) for total in test(iterator)])
        except (StopIteration, tf.errors.OutOfRangeError):
            return sums
        if not np.isfinite(batch).all():
            first, last = int(sums[3]) + 1, int(sums[3] + batch[3])
            raise NotFinite(
                f"The loss of the images {first:,} to {last:,} {where} is "
                f"{batch[0]}: the network's weights, or its arithmetic, are "
                "broken. That is no result."
            )
        sums += batch
        progress(int(sums[3]), num_images)


def test_batch_size(view: str, strategy: tf.distribute.Strategy) -> int:
    """Images at a time, so that all their views fit; divides by replicas."""
    replicas = strategy.num_replicas_in_sync
    views = COUNTS.get(view, 1)
    return replicas * math.ceil(TEST_VIEWS / views / replicas)
