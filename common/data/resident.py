"""A small training set that lies on the devices whole, as uint8.

What is sent for an epoch is what was drawn for its examples: which image each
is, and the random numbers of the recipe's operations. The cut, the flip and
the normalisation are part of the training step. The images are those of
common.data.pipeline.train_batches: bit for bit where XLA does not compile
them, and to its rounding of the normalisation where it does.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from common.data import examples
from common.data.decoded import cutter
from common.data.keys import mix
from common.data.philox import uniform
from common.data.transforms.affine import RandomAffine
from common.data.transforms.view import View
from common.recipes.recipe import Recipe


class ResidentSet:
    """The training images and labels of a source, on each device.

    Attributes:
        tables: Two tensors or variables: the pixels, as
            common.data.decoded.decode gives them, and the labels.
    """

    def __init__(
        self,
        source: Any,
        recipe: Recipe,
        statistics: Any,
        decoded: dict[str, Any],
        strategy: tf.distribute.Strategy,
    ):
        self._source, self._recipe = source, recipe
        self._statistics = statistics
        self._geometric, self._pixel = examples.parted(recipe, epoch=0)
        self._wanted = self._count_numbers()
        values = decoded["image"], examples.checked(decoded["label"], recipe)
        if strategy.num_replicas_in_sync == 1:
            with tf.device(strategy.extended.worker_devices[0]):
                self.tables = [tf.identity(value) for value in values]
        else:
            with strategy.scope():
                self.tables = [tf.Variable(value, trainable=False) for value in values]

    def draw(self, *, seed: int, epoch: int, count: int) -> dict[str, np.ndarray]:
        """What is drawn for the first `count` examples of an epoch.

        Returns:
            Arrays of `count` rows: "image", int32; and for each operation that
            is at work, by its place in the recipe, its random numbers, float32.
        """
        shuffled = self._source.shuffled("train", seed=seed, epoch=epoch, skip=0)
        rows = {"image": shuffled.order[:count].astype(np.int32)}
        geometric, pixel = examples.parted(self._recipe, epoch)
        for place, _ in geometric + pixel:
            wanted = self._wanted[place]
            rows[str(place)] = np.zeros((count, 0), np.float32)
            if wanted:
                stream = mix(seed, epoch, place)
                drawn = uniform(stream, np.arange(count), wanted)
                rows[str(place)] = drawn
        return rows

    def sample_batch(self, *, seed: int, epoch: int, size: int) -> tuple[Any, Any]:
        """As common.data.pipeline.sample_batch."""
        seed = mix(seed, examples.SAMPLE_STREAM)
        rows = self.draw(seed=seed, epoch=epoch, count=size)
        return self.examples(rows, *self.tables)

    def examples(self, rows: dict[str, Any], pixels: Any, labels: Any) -> tuple[Any, Any]:
        """(images, labels) of rows of `draw`; the others are the `tables`.

        (examples, H, W, C) float32 and (examples,) int64.
        """
        images = self._make(
            rows["image"], pixels, {int(p): _Drawn(rows[p]) for p in rows if p != "image"}
        )
        return images, tf.gather(labels, rows["image"])

    def _make(self, which: Any, pixels: Any, keys: dict[int, Any]) -> Any:
        view = View.whole(*self._source.image_shape)
        for place, op in self._geometric:
            if place in keys:  # at work in this epoch
                view = op(view, keys[place])
        images = cutter(self._source, pixels, which)(view)
        for place, op in self._pixel:
            if place in keys:
                context = examples.seen(view, self._statistics, keys[place])
                images = op(images, context)
        return examples.sized(images, self._recipe)

    def _count_numbers(self) -> dict[int, int]:
        """How many random numbers each operation asks for, by its place."""
        keys = {p: _Counting() for p, _ in self._geometric + self._pixel}
        with tf.Graph().as_default():
            blank = tf.zeros((1, self._recipe.channels), tf.uint8)
            self._make(tf.zeros((1,), tf.int32), blank, keys)
        return {place: key.count for place, key in keys.items()}


class _Drawn:
    """The random numbers of many examples for one operation."""

    def __init__(self, numbers: Any):
        self._numbers = numbers

    def uniform(self, count: int) -> Any:
        """(count, examples) in [0, 1); see common.data.keys.Key."""
        return tf.transpose(self._numbers[:, :count])


class _Counting:
    """Notes how many random numbers an operation asks for."""

    count = 0

    def uniform(self, count: int) -> Any:
        """(count, 1) zeros."""
        self.count = count
        return tf.zeros((count, 1))


def open_resident(
    source: Any, recipe: Recipe, statistics: Any, strategy: tf.distribute.Strategy
) -> ResidentSet | None:
    """The recipe's training set on the devices; None if that cannot be.

    If it is large, an image is damaged, the recipe has operations that work
    on one image at a time or that XLA does not know, or there are several
    workers: TensorFlow cannot send them the first values of a uint8 variable.
    """
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return None
    _, pixel = examples.parted(recipe, epoch=0)
    if not examples.kept_bytes(source, recipe) or any(
        isinstance(op, RandomAffine) for _, op in pixel
    ):
        return None
    shuffled = source.shuffled("train", seed=0, epoch=0, skip=0)
    decoded = shuffled.decoded and shuffled.decoded(recipe.channels)
    if decoded is None:
        return None
    return ResidentSet(source, recipe, statistics, decoded, strategy)
