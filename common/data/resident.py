"""A small training set, decoded once: its batches are made many images at a time.

MNIST and CIFAR-10 fit into memory, as uint8. Made on the host, or on the devices as a part of
the training step. Gives the same images as common.data.examples one by one: equal bits without
XLA, up to rounding in the normalisation with it.
"""

from collections.abc import Callable
from typing import Any

from common.data import examples
from common.data.dataset import TrainingSource
from common.data.rng import BatchRng, draw_uniform, fold_in
from common.data.transforms import ResizeShorterSide
from common.data.transforms.operation import Statistics
from common.data.transforms.view import View, gather_windows
from common.lazy import np, tf
from common.recipes.recipe import Recipe

LIMIT = 2**29  # bytes of a set that is kept decoded
SAMPLE_STREAM = 1  # keeps the draws of a sample apart from the training's


class ResidentSet:
    """The training images and labels of a source, where batches are made of them.

    Attributes:
        tables: Two tensors or variables: the pixels, as
            common.data.sources.tfds.decode_together gives them, and the labels.
    """

    def __init__(
        self,
        source: TrainingSource,
        recipe: Recipe,
        statistics: Statistics | None,
        tables: list[Any],
    ):
        self._source, self._recipe = source, recipe
        self._statistics, self.tables = statistics, tables

    def draw(self, *, seed: int, epoch: int, count: int) -> dict[str, "np.ndarray"]:
        """What is drawn for the first `count` examples of an epoch.

        Returns:
            Arrays of `count` rows: "image", int32; and for each operation that
            is at work, by its place in the recipe, its random numbers, float32.
        """
        shuffled = self._source.shuffled("train", seed=seed, epoch=epoch, skip=0)
        rows = {"image": shuffled.order[:count].astype(np.int32)}
        geometric, pixel, _ = examples.split_operations(self._recipe, epoch)
        for place, op in geometric + pixel:
            rows[str(place)] = np.zeros((count, 0), np.float32)
            if op.uniforms:
                stream = fold_in(seed, epoch, place)
                rows[str(place)] = draw_uniform(stream, np.arange(count), op.uniforms)
        return rows

    def sample_batch(self, *, seed: int, epoch: int, size: int) -> tuple[Any, Any]:
        """As common.data.pipeline.sample_batch."""
        rows = self.draw(seed=fold_in(seed, SAMPLE_STREAM), epoch=epoch, count=size)
        return self.examples(rows, *self.tables)

    def make_examples(self, *, seed: int, epoch: int) -> Callable[[Any, Any], tuple[Any, Any]]:
        """From many (position in the epoch, element) to (images, labels)."""
        drawn = self.draw(seed=seed, epoch=epoch, count=self._source.dataset.splits["train"])
        with tf.device("CPU:0"):
            drawn = {name: tf.constant(numbers) for name, numbers in drawn.items()}

        def make(positions: Any, _: Any) -> tuple[Any, Any]:
            rows = {name: tf.gather(numbers, positions) for name, numbers in drawn.items()}
            images, labels = self.examples(rows, *self.tables)
            return images, examples.require_class(labels, self._recipe)

        return make

    def examples(self, rows: dict[str, Any], pixels: Any, labels: Any) -> tuple[Any, Any]:
        """(images, labels) of rows of `draw`; the others are the `tables`.

        (examples, H, W, C) float32 and (examples,) int64.
        """
        size, which = self._source.image_shape, rows["image"]
        view = View.whole(*size)
        # Those of the first epoch; in a later one some may be at work no more.
        geometric, pixel, _ = examples.split_operations(self._recipe, epoch=0)
        for place, op in geometric:
            if str(place) in rows:
                view = op(view, BatchRng(rows[str(place)]))
        examples.require_frame(view, pixel, self._statistics)
        images = gather_windows(pixels, size, which, view.window, view.mirrored)
        images = tf.cast(images, tf.float32)
        for place, op in pixel:
            if str(place) in rows:
                rng = BatchRng(rows[str(place)])
                images = op(images, examples.context_of(view, self._statistics, rng))
        return examples.require_size(images, self._recipe), tf.gather(labels, which)


def kept_bytes(source: TrainingSource, recipe: Recipe, epoch: int = 0) -> int:
    """Of the decoded training set; 0 if it is not kept decoded.

    That is: if it is large, its images are JPEG or differ in size, or the recipe
    has operations that do not work on many images at once, or resizes them.
    """
    if source.image_shape is None or source.jpeg is not False:
        return 0
    height, width = source.image_shape
    needed = source.dataset.splits["train"] * height * width * recipe.channels
    geometric, pixel, _ = examples.split_operations(recipe, epoch)
    together = all(
        op.batched and not (isinstance(op, ResizeShorterSide) and op.size != min(height, width))
        for _, op in geometric + pixel
    )
    return needed if together and needed <= LIMIT else 0


def open_on_host(
    source: TrainingSource, recipe: Recipe, statistics: Statistics | None, epoch: int
) -> ResidentSet | None:
    """The recipe's training set in the host's memory; None if it is not kept there."""
    tables = _decode(source, recipe, epoch)
    return tables and ResidentSet(source, recipe, statistics, tables)


def open_resident(
    source: TrainingSource,
    recipe: Recipe,
    statistics: Statistics | None,
    strategy: Any,
    *,
    jit_compile: bool = True,
) -> ResidentSet | None:
    """The recipe's training set on the devices of a strategy; None if that cannot be.

    If it is large, an image is damaged, the recipe has operations that work on one image at
    a time or that XLA does not know, or there are several workers: TensorFlow cannot send them the
    first values of a uint8 variable. Pixels are bytes; on GPUs without `jit_compile` float16, with
    the same values: TensorFlow has no gather of bytes there, and would fetch the whole set from
    the device for each update.
    """
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    if several or not examples.split_operations(recipe, epoch=0).device:
        return None
    decoded = _decode(source, recipe, epoch=0)
    if decoded is None:
        return None
    with tf.device("CPU:0"):  # a GPU takes a label that is no class for 0, silently
        pixels, labels = decoded[0], examples.require_class(decoded[1], recipe)
        if not jit_compile and "GPU" in strategy.extended.worker_devices[0]:
            pixels = tf.cast(pixels, tf.float16)
    if strategy.num_replicas_in_sync == 1:
        with tf.device(strategy.extended.worker_devices[0]):
            tables = [tf.identity(value) for value in (pixels, labels)]
    else:
        with strategy.scope():
            tables = [tf.Variable(value, trainable=False) for value in (pixels, labels)]
    return ResidentSet(source, recipe, statistics, tables)


def _decode(source: TrainingSource, recipe: Recipe, epoch: int) -> list[Any] | None:
    """The pixels and labels, if they are kept, and no image is damaged."""
    if not kept_bytes(source, recipe, epoch):
        return None
    shuffled = source.shuffled("train", seed=0, epoch=0, skip=0)
    decoded = shuffled.decoded and shuffled.decoded(recipe.channels)
    return decoded and [decoded["image"], decoded["label"]]
