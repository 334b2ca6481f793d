"""What training examples are made of: one by one, or many at a time.

Both ways give the same bits; the second is for small sets, see
common.data.decoded.
"""

from collections.abc import Callable
from typing import Any

from common.data import decoded
from common.data.decoded import Keys, cutter
from common.data.keys import Key, mix
from common.data.sharding import Part, mapped
from common.data.sources.tfds import Shuffled
from common.data.statistics import Statistics
from common.data.transforms import Context, active
from common.data.transforms.view import View, image_size, realize
from common.errors import UsageError
from common.recipes.recipe import Recipe

SAMPLE_STREAM = 1  # keeps the draws of a sample apart from the training's


def batches(
    source: Any,
    recipe: Recipe,
    statistics: Statistics | None,
    order: tuple[int, int, int],
    size: int,
    part: Part,
) -> Any:
    """Of `size` training examples; see common.data.pipeline.train_batches.

    Args:
        source: See common.data.catalog.open_source.
        recipe: Its transforms.
        statistics: See common.data.statistics; None if none are needed.
        order: Seed, epoch, and how many examples are left out.
        size: Of a whole batch.
        part: Of each batch, what this worker computes.
    """
    seed, epoch, skip = order
    shuffled = source.shuffled("train", seed=seed, epoch=epoch, skip=skip)
    elements = part.own(shuffled.elements, size)
    make = _maker(recipe, statistics, seed, epoch)
    known = _decoded(source, shuffled, recipe, epoch)
    if known is None:
        one = _one(source, recipe, shuffled, make)
        return part.batches(mapped(elements, one), size)
    many = _many(source, recipe, known, make)
    return part.batches_of_many(elements, size, many)


def _one(source: Any, recipe: Recipe, shuffled: Shuffled, make: Callable) -> Callable:
    def example(position: Any, element: Any) -> tuple[Any, Any]:
        record = shuffled.read(element)
        encoded = record["image"]
        image = make(
            whole(source, encoded),
            lambda view: realize(view, encoded, recipe.channels, source.jpeg),
            lambda stream: Key(stream, position),
        )
        return image, checked(record["label"], recipe)

    return example


def kept_bytes(source: Any, recipe: Recipe, epoch: int = 0) -> int:
    """Of the decoded training set; 0 if it is not kept decoded.

    That is: if it is large, or the recipe wants it one by one.
    """
    operations = [op for _, op in _chain(recipe, epoch)]
    if decoded.fits(source, recipe.channels, operations):
        return decoded.size(source, recipe.channels)
    return 0


def _decoded(source: Any, shuffled: Shuffled, recipe: Recipe, epoch: int) -> dict[str, Any] | None:
    if shuffled.decoded and kept_bytes(source, recipe, epoch):
        return shuffled.decoded(recipe.channels)
    return None


def _many(source: Any, recipe: Recipe, known: dict[str, Any], make: Callable) -> Callable:
    import tensorflow as tf

    count = source.dataset.splits["train"]

    def examples(positions: Any, indices: Any) -> tuple[Any, Any]:
        images = make(
            View.whole(*source.image_shape),
            cutter(source, known["image"], indices),
            lambda stream: Keys(stream, positions, count),
        )
        labels = tf.gather(known["label"], indices)
        return images, checked(labels, recipe)

    return examples


def _chain(recipe: Recipe, epoch: int) -> list[tuple[int, Any]]:
    transforms = (*recipe.train_transforms, recipe.normalize)
    return active((*transforms, *recipe.train_noise), epoch)


def parted(recipe: Recipe, epoch: int) -> tuple[list, list]:
    """The geometric operations of an epoch, and those of pixel values.

    Each with its place in the recipe, which its draws depend on.

    Raises:
        UsageError: if they are mixed.
    """
    chain = _chain(recipe, epoch)
    geometric = [op for op in chain if op[1].geometric]
    pixel = [op for op in chain if not op[1].geometric]
    if chain != geometric + pixel:
        raise UsageError(
            "A recipe's geometric transforms (resize, crop, flip, pad) must "
            "come before those of pixel values."
        )
    return geometric, pixel


def _maker(
    recipe: Recipe, statistics: Statistics | None, seed: int, epoch: int
) -> Callable[[View, Callable, Callable], Any]:
    """From a whole image's view to the network's input.

    What is returned takes the view, what makes pixels of a view, and what
    makes a key of its stream.
    """
    geometric, pixel = parted(recipe, epoch)

    def make(view: View, pixels: Callable, key: Callable) -> Any:
        for place, op in geometric:
            view = op(view, key(mix(seed, epoch, place)))
        image = pixels(view)
        for place, op in pixel:
            stream = mix(seed, epoch, place)
            image = op(image, seen(view, statistics, key(stream)))
        return sized(image, recipe)

    return make


def seen(view: View, statistics: Statistics | None, key: Any) -> Context:
    """What operations on pixel values may know of a view, or of many."""
    top = view.window.top - view.frame.top
    left = view.window.left - view.frame.left
    return Context(top, left, view.mirrored, statistics, key)


def whole(source: Any, encoded: Any) -> View:
    """The view that is all of an image."""
    size = source.image_shape or image_size(encoded, source.jpeg)
    return View.whole(*size)


def sized(image: Any, recipe: Recipe) -> Any:
    """The image, or images; fails if it is not what the network takes."""
    expected = (recipe.image_size, recipe.image_size, recipe.channels)
    if tuple(image.shape[-3:]) != expected:
        raise UsageError(
            f"The recipe's transforms give images of {tuple(image.shape)}; its "
            f"image_size and channels say {expected}."
        )
    return image


def checked(label: Any, recipe: Recipe) -> Any:
    """The label; fails if it is not one of 0 .. num_classes - 1."""
    import tensorflow as tf

    # One cheap operation in the place of two assertions.
    return tf.gather(tf.range(recipe.num_classes, dtype=tf.int64), label)
