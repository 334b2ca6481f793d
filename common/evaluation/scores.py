"""The scores of every image of a split under any view, batch by batch.

common.evaluation.error_rates counts errors without leaving the device; this gives the
scores themselves, for prediction files and for the papers' own views.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from common.data.dataset import Source
from common.data.diagnosis import explained
from common.distribution.strategy import distribute
from common.errors import NotFinite
from common.evaluation import error_rates, frame_views, metrics
from common.evaluation.paper_views import images_at_once, own_view_batches
from common.evaluation.predictions import Unfinished
from common.models.fully_convolutional import fully_convolutional
from common.recipes.recipe import Recipe

_ROWS = 1000  # of a prediction file, in one call of the loss


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """A network and the images that it is tried on.

    Attributes:
        source: From common.data.catalog.open_source; its test split is used.
        statistics: From common.data.statistics; None if none are needed.
    """

    model: keras.Model
    strategy: tf.distribute.Strategy
    source: Source
    recipe: Recipe
    statistics: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batch:
    """Some images: ids (N,), labels (N,), scores (N, C), losses (N,)."""

    ids: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    losses: np.ndarray


def measure(
    subject: Subject, name: str, view: Any, progress: Callable[[int, int], None]
) -> error_rates.Result:
    """The errors on the test split under `view`, which is called `name`.

    Args:
        subject: See Subject.
        name: Of the view, for the result.
        view: One of common.evaluation.views.NAMES, or a value of common.evaluation.protocols.
        progress: Called with (images done, all images) after each batch.

    Raises:
        RunError: unless every image of the split was counted.
    """
    split, num_images = _split(subject)
    sums = np.zeros(4)
    for batch in scored(subject, view):
        sums += _sums(batch)
        progress(int(sums[3]), num_images)
    return error_rates.result(name, split, sums, num_images, subject.recipe.num_classes)


def predict(
    subject: Subject, name: str, view: Any, file: Unfinished, progress: Callable[[int, int], None]
) -> error_rates.Result:
    """As `measure`; the scores are added to `file`, which is then finished.

    Images that are in the file already are skipped.
    """
    split, num_images = _split(subject)
    for batch in scored(subject, view, skip=file.done):
        file.append(batch.ids, batch.labels, batch.scores)
        progress(file.done, num_images)
    whole = file.finish()
    sums = np.zeros(4)
    for start in range(0, num_images, _ROWS):
        rows = slice(start, start + _ROWS)
        scores, labels = whole.scores[rows], whole.labels[rows]
        losses = subject.recipe.loss(tf.constant(scores), tf.constant(labels))
        sums += _sums(
            Batch(ids=whole.ids[rows], labels=labels, scores=scores, losses=losses.numpy())
        )
    return error_rates.result(name, split, sums, num_images, subject.recipe.num_classes)


def scored(subject: Subject, view: Any, skip: int = 0) -> Iterator[Batch]:
    """The images of the test split from `skip` on, in the data set's order."""
    strategy, (split, num_images) = subject.strategy, _split(subject)
    if skip == num_images:
        return
    score = _scorer(subject, view)
    with explained(subject.source, split, subject.recipe):
        iterator = _iterator(subject, view, skip)
        while True:
            try:
                columns = score(iterator)
            except (StopIteration, tf.errors.OutOfRangeError):
                return
            counts, *columns = (
                np.concatenate([x.numpy() for x in strategy.experimental_local_results(c)])
                for c in columns
            )
            ids, labels, scores, losses = (c[counts == 1] for c in columns)
            yield Batch(
                ids=np.array([name.decode() for name in ids]),
                labels=labels,
                scores=scores,
                losses=losses,
            )


def _split(subject: Subject) -> tuple[str, int]:
    dataset = subject.source.dataset
    return dataset.test_split, dataset.splits[dataset.test_split]


def _sums(batch: Batch) -> np.ndarray:
    """Losses, top-1 and top-5 wrong, images.

    Raises:
        NotFinite: if a score or a loss is no number; names its image.
    """
    values = np.concatenate([batch.scores, batch.losses[:, None]], axis=1)
    sound = np.isfinite(values).all(axis=1)
    if not sound.all():
        first = int(np.argmin(sound))
        raise NotFinite(
            f"The scores of the image {batch.ids[first]} are not finite (loss "
            f"{batch.losses[first]}): the network's weights, or its "
            "arithmetic, are broken. That is no result."
        )
    wrong = [metrics.wrong(batch.scores, batch.labels, k) for k in (1, 5)]
    totals = [column.sum(dtype=np.float64) for column in (batch.losses, *wrong)]
    return np.array([*totals, len(batch.labels)])


def _iterator(subject: Subject, view: Any, skip: int):
    """Over (parts, labels, counts, ids)."""
    strategy, (split, _) = subject.strategy, _split(subject)
    common = (subject.source, split, subject.recipe, subject.statistics, view)
    if isinstance(view, str):
        batches = frame_views.test_batches(
            *common, batch_size=error_rates.test_batch_size(view, strategy), skip=skip
        )
        return distribute(strategy, batches.map(lambda x, *y: ((x,), *y)))
    batches = own_view_batches(
        *common,
        batch_size=images_at_once(view, error_rates.TEST_VIEWS),
        multiple=strategy.num_replicas_in_sync,
        skip=skip,
    )
    if isinstance(strategy, tf.distribute.OneDeviceStrategy):
        return iter(batches)
    # Each replica takes the next batch: images of several sizes do not stack.
    return iter(strategy.distribute_datasets_from_function(lambda _: batches))


def _scorer(subject: Subject, view: Any) -> Callable:
    """`score(iterator)`: (counts, ids, labels, scores, losses) of a batch."""
    model, loss, strategy = subject.model, subject.recipe.loss, subject.strategy
    size, own = tuple(model.input_shape[1:3]), not isinstance(view, str)
    average, shares, networks = "softmax", (1.0,), {size: _network(model)}
    if own:
        parts = view.parts(*size)
        average, shares = view.average, tuple(part.weight for part in parts)
        # Of another image, so that no canvas is the network's by chance.
        if any(p.size != size for p in view.parts(3 * size[0], 4 * size[1])):
            with strategy.scope():
                networks[None] = _network(fully_convolutional(model))

    def replica_step(parts, labels):
        logits = [
            _of_inputs(networks.get(tuple(p.shape[2:4]), networks.get(None)), p) for p in parts
        ]
        scores = combine(logits, shares, average)
        return scores, loss(scores, labels)

    @tf.function
    def score(iterator):
        parts, labels, counts, ids = next(iterator)
        scores, losses = strategy.run(replica_step, args=(parts, labels))
        return counts, ids, labels, scores, losses

    return score


def _network(model: keras.Model) -> Callable:
    """The main head's logits, traced once for all parts of the same shape."""

    @tf.function
    def logits(images):
        outputs = model(images, training=False)
        main = outputs[0] if isinstance(outputs, list | tuple) else outputs
        return tf.cast(main, tf.float32)

    return logits


def _of_inputs(network: Callable, part: tf.Tensor) -> tf.Tensor:
    """(batch, inputs, classes) of (batch, inputs, H, W, C)."""
    shape = tf.shape(part)
    flat = tf.reshape(part, tf.concat([[shape[0] * shape[1]], shape[2:]], 0))
    flat.set_shape((_product(part.shape[:2]), *part.shape[2:]))
    logits = network(flat)
    return tf.reshape(logits, (-1, part.shape[1], logits.shape[-1]))


def _product(shape: tf.TensorShape) -> int | None:
    return math.prod(shape) if shape.is_fully_defined() else None


def combine(logits: list[tf.Tensor], shares: tuple[float, ...], average: str) -> tf.Tensor:
    """Scores (batch, classes) of an image; their softmax are probabilities.

    Args:
        logits: Of each part, (batch, inputs, classes).
        shares: Of each part in the mean; they add up to 1.
        average: "softmax": the scores are the logarithm of the mean of the
            softmax outputs, or, of a single input, its logits. "logits".
    """
    if sum(part.shape[1] for part in logits) == 1:
        return logits[0][:, 0]
    if average == "logits":
        means = [tf.reduce_mean(part, axis=1) for part in logits]
        return tf.add_n([w * m for w, m in zip(shares, means, strict=True)])
    # Logarithms of means; finite where a probability underflows.
    logs = [
        tf.reduce_logsumexp(tf.nn.log_softmax(part), axis=1)
        + (math.log(share) - math.log(part.shape[1]))
        for part, share in zip(logits, shares, strict=True)
    ]
    return tf.reduce_logsumexp(tf.stack(logs), axis=0)
