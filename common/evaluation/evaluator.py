"""A network's scores and errors on a whole split, every image exactly once.

Training's tests, `evaluate` and prediction files all go this way: the same batches, and one
compiled step that scores a batch and adds up its errors.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from common.data.dataset import Source
from common.data.diagnosis import explained
from common.data.resident import LIMIT
from common.distribution.collectives import Workers
from common.distribution.strategy import SUM, on_gpus
from common.errors import NotFinite, RunError
from common.evaluation.inputs import images_at_once, test_batches
from common.evaluation.outcomes import Outcomes, join, judge
from common.evaluation.predictions import PredictionWriter
from common.models.fully_convolutional import fully_convolutional
from common.recipes.recipe import Recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """A network's errors on a split under a view.

    Attributes:
        view: Its name.
        num_images: How many were counted: all of the split.
        top1_error: Percent.
        top5_error: Percent; None with five classes or fewer.
        loss: Mean of the recipe's loss over the images; of several crops, of `score`'s.
    """

    view: str
    split: str
    num_images: int
    top1_error: float
    top5_error: float | None
    loss: float


@dataclasses.dataclass(kw_only=True, eq=False)
class Evaluator:
    """A network on the test split of a data set.

    Attributes:
        model: Its weights are those of the moment when something is measured.
        source: From common.data.catalog.open_source.
        recipe: Its test_transforms, normalize and loss.
        statistics: From common.data.statistics; None if none are needed.
        jit_compile: Whether XLA compiles each device's step.
    """

    model: keras.Model
    strategy: tf.distribute.Strategy
    source: Source
    recipe: Recipe
    statistics: Any
    jit_compile: bool = False

    def __post_init__(self):
        self.split = self.source.dataset.test_split
        self.num_images = self.source.dataset.splits[self.split]
        self._steps, self._batches = {}, {}  # by view: made once, for all epochs

    def measure(self, name: str, view: Any, progress: Callable[[int, int], None]) -> Result:
        """The errors under `view`, which is called `name`; nothing of single images is kept.

        Args:
            view: One of common.evaluation.views.
            progress: Called with (images done, all images) after each batch.

        Raises:
            RunError: unless every image of the split was counted.
            NotFinite: if a score or a loss is no number.
        """
        sums = np.zeros(4)
        for totals in self._iterate(view):
            batch = np.array([float(total) for total in totals])
            self._require_finite(name, int(sums[3]), int(batch[3]), batch[0])
            sums += batch
            progress(int(sums[3]), self.num_images)
        return self._result(name, sums)

    def measure_each(
        self,
        name: str,
        view: Any,
        progress: Callable[[int, int], None],
        writer: PredictionWriter | None = None,
    ) -> tuple[Result, Outcomes]:
        """The same, and what became of each image.

        Args:
            writer: The scores are added to this file, which is then finished; images that it
                has are not computed again.
        """
        kept, there = (list(writer.batches), writer.done) if writer else ([], 0)
        parts, done = [], 0
        for batch in itertools.chain(kept, self.iterate_scores(view, skip=there)):
            ids, labels, scores = batch
            if writer and done >= there:
                writer.append(*batch)
            losses = self.recipe.loss(tf.constant(scores), tf.constant(labels)).numpy()
            # A loss may look at one class only; the errors look at all.
            sound = np.isfinite(scores).all() and np.isfinite(losses).all()
            self._require_finite(name, done, len(ids), losses.sum() if sound else math.nan)
            parts.append(judge(ids, labels, scores, losses))
            done += len(ids)
            progress(done, self.num_images)
        if writer:
            writer.finish()
        outcomes = join(parts)
        wrong = outcomes.guesses != outcomes.labels
        columns = (outcomes.losses, wrong, outcomes.missed)
        sums = [column.sum(dtype=np.float64) for column in columns]
        return self._result(name, np.array([*sums, done])), outcomes

    def _require_finite(self, name: str, done: int, images: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise NotFinite(
                f"The loss of the images {done + 1:,} to {done + images:,} of the split "
                f"{self.split!r} under {name} is {loss}: the network's weights, or its "
                "arithmetic, are broken. That is no result."
            )

    def iterate_scores(
        self, view: Any, skip: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The images from `skip` on, in the data set's order, in batches.

        Yields:
            (ids, labels, scores): (N,) str, (N,) int64 and (N, classes) float32; see `score`.
        """
        for columns in self._iterate(view, skip, keep_scores=True):
            counts, ids, labels, scores = (
                np.concatenate(
                    [x.numpy() for x in self.strategy.experimental_local_results(column)]
                )
                for column in columns
            )
            ids, labels, scores = (column[counts == 1] for column in (ids, labels, scores))
            yield np.array([name.decode() for name in ids]), labels, scores

    def _iterate(self, view: Any, skip: int = 0, keep_scores: bool = False) -> Iterator[Any]:
        """What the step of `_make_step` gives of each batch."""
        if skip == self.num_images:
            return
        if view not in self._steps:
            self._steps[view] = self._make_step(view)
        with explained(self.source, self.split, self.recipe):
            batches = self._open(view, skip)
            if self.strategy.num_replicas_in_sync > 1 or on_gpus(self.strategy):
                batches = self.strategy.distribute_datasets_from_function(lambda _: batches)
            iterator = iter(batches)
            while True:
                try:
                    outputs = self._steps[view](iterator, keep_scores)
                except (StopIteration, tf.errors.OutOfRangeError):
                    return
                yield outputs

    def _open(self, view: Any, skip: int) -> tf.data.Dataset:
        """The batches; those of a small set are kept once they were made."""
        if not skip and view in self._batches:
            return self._batches[view]
        replicas = self.strategy.num_replicas_in_sync
        batches = test_batches(
            self.source,
            self.split,
            self.recipe,
            self.statistics,
            view,
            batch_size=images_at_once(view, self.recipe.image_size, replicas),
            replicas=replicas,
            skip=skip,
            shard=Workers(self.strategy).shard,
        )
        if skip:
            return batches
        if self.source.image_shape:
            values = sum(math.prod(spec.shape[1:]) for spec in batches.element_spec[0])
            if 4 * values * self.num_images <= LIMIT:
                batches = batches.cache()
        self._batches[view] = batches
        return batches

    def _make_step(self, view: Any) -> Callable:
        """`step(iterator, keep_scores)` for batches of `test_batches`.

        It gives sums over the images that count, float32: losses, top-1 wrong, top-5 wrong, how
        many; or, with `keep_scores`, of all images by replica: counts, ids, labels, scores.
        """
        size = self.model.input_shape[1:3]
        networks = {size: self.model}
        if any(image.size != size[0] for image in view.scaled_images(*size)):
            with self.strategy.scope():
                networks[None] = fully_convolutional(self.model)
        calls = {key: _make_call(network) for key, network in networks.items()}

        def evaluate(variables, inputs, labels, counts):
            def network(images, training):
                key = tuple(images.shape[1:3])
                key = key if key in networks else None
                return calls[key](*variables[key], images)

            scores = score(network, inputs, view)
            return _add_up(scores, self.recipe.loss(scores, labels), labels, counts), scores

        if self.jit_compile:
            evaluate = tf.function(evaluate, jit_compile=True)

        def replica_step(*batch):
            variables = {
                key: [
                    [tf.convert_to_tensor(v.value) for v in some]
                    for some in (network.trainable_variables, network.non_trainable_variables)
                ]
                for key, network in networks.items()
            }
            return evaluate(variables, *batch)

        @tf.function
        def step(iterator, keep_scores):  # a bool: two programs, neither computes the other's
            inputs, labels, counts, ids = next(iterator)
            sums, scores = self.strategy.run(replica_step, args=(inputs, labels, counts))
            if keep_scores:
                return counts, ids, labels, scores
            return [self.strategy.reduce(SUM, total, None) for total in sums]

        return step

    def _result(self, name: str, sums: np.ndarray) -> Result:
        if sums[3] != self.num_images:
            raise RunError(
                f"The split {self.split!r} has {self.num_images} images, {int(sums[3])} were "
                "evaluated: the data set is incomplete, or not what it says."
            )
        loss, top1, top5, _ = (float(total) / self.num_images for total in sums)
        return Result(
            view=name,
            split=self.split,
            num_images=self.num_images,
            top1_error=100 * top1,
            top5_error=100 * top5 if self.recipe.num_classes > 5 else None,
            loss=loss,
        )


def _add_up(scores, losses, labels, counts) -> list[tf.Tensor]:
    """The sums of an Evaluator's step."""
    # A loss may look at one class only; the errors look at all.
    sound = tf.reduce_all(tf.math.is_finite(scores), axis=1)
    losses = tf.where(sound, losses, math.nan)
    losses = tf.where(counts > 0, losses, 0.0)  # not of the padding
    # Not in_top_k: it counts ties as right, so a dead net would be perfect.
    best = tf.math.top_k(scores, min(5, scores.shape[-1])).indices
    hits = best == tf.cast(labels, tf.int32)[:, tf.newaxis]
    wrong = [1.0 - tf.reduce_max(tf.cast(hits[:, :k], tf.float32), axis=1) for k in (1, 5)]
    return [tf.reduce_sum(x * counts) for x in (losses, *wrong)] + [tf.reduce_sum(counts)]


def _make_call(model: keras.Model) -> Callable:
    """The network as a function of its variables, traced once for inputs of the same shape."""

    @tf.function
    def call(trainable, others, images):
        outputs, _ = model.stateless_call(trainable, others, images, training=False)
        return outputs

    return call


def score(network: Callable, inputs: Sequence[tf.Tensor], view: Any) -> tf.Tensor:
    """Scores (images, classes) float32, whose softmax are the view's probabilities.

    Of a single input they are its logits. Where the view averages softmax outputs, they are
    the logarithm of their mean (Krizhevsky et al. 2012, Sec. 4.1), else the mean logits.

    Args:
        network: (images of H x W x C, training=) -> logits (images, classes), or a list of
            them whose first is the main head's.
        inputs: See common.evaluation.inputs.test_batches.
        view: One of common.evaluation.views.
    """
    logits = []
    for crops in inputs:
        shape = tf.shape(crops)
        images = tf.reshape(crops, tf.concat([shape[:1] * shape[1:2], shape[2:]], 0))
        known = math.prod(crops.shape[:2]) if crops.shape[:2].is_fully_defined() else None
        outputs = network(tf.ensure_shape(images, (known, *crops.shape[2:])), training=False)
        main = outputs[0] if isinstance(outputs, list | tuple) else outputs
        main = tf.cast(main, tf.float32)
        logits.append(tf.reshape(main, (-1, crops.shape[1], main.shape[-1])))
    if len(logits) == 1 and logits[0].shape[1] == 1:
        return logits[0][:, 0]
    weights = [1.0]
    if len(logits) > 1:  # the same for an image of any size
        weights = [image.weight for image in view.scaled_images(1, 1)]
    if view.average == "logits":
        means = [w * tf.reduce_mean(x, axis=1) for w, x in zip(weights, logits, strict=True)]
        return tf.add_n(means)
    # Logarithms of means; finite where a probability underflows.
    logs = [
        tf.reduce_logsumexp(tf.nn.log_softmax(x), axis=1) - (math.log(x.shape[1]) - math.log(w))
        for w, x in zip(weights, logits, strict=True)
    ]
    return logs[0] if len(logs) == 1 else tf.reduce_logsumexp(tf.stack(logs), axis=0)
