"""The one tf.data path, from records to batches.

Whatever the threads, the replicas or the resumes: a training batch is a
function of (seed, epoch, position) only, a test batch of its position.
"""

from collections.abc import Callable
from typing import Any

from common.data.geometry import View, image_size, mirror, realize
from common.data.keys import Key, mix
from common.data.statistics import Statistics
from common.data.transforms import Context, active
from common.errors import UsageError
from common.recipe import Recipe
from common.views import windows

_SAMPLE_STREAM = 1  # keeps the draws of sample_batch apart from the training's


def steps_per_epoch(source: Any, recipe: Recipe) -> int:
    """Updates in one epoch; what is left over by the last one is dropped.

    Raises:
        UsageError: if there are fewer examples than one batch has.
    """
    examples = source.dataset.splits["train"]
    steps = examples // recipe.global_batch_size
    if not steps:
        raise UsageError(
            f"{source.dataset.name} has {examples} training examples, fewer "
            f"than one batch of {recipe.global_batch_size}; choose a larger "
            "data set or --set global_batch_size."
        )
    return steps


def updates(source: Any, recipe: Recipe) -> int:
    """Updates in the whole training: of all epochs, or recipe.updates."""
    whole = recipe.epochs * steps_per_epoch(source, recipe)
    return whole if recipe.updates is None else min(whole, recipe.updates)


def train_batches(
    source: Any,
    recipe: Recipe,
    statistics: Statistics | None,
    *,
    seed: int,
    epoch: int,
    skip_steps: int = 0,
) -> Any:
    """The batches of one epoch, a tf.data.Dataset.

    Args:
        source: See common.data.catalog.open_source.
        recipe: Its transforms and batch size.
        statistics: See common.data.statistics; None if none are needed.
        seed: Of the run.
        epoch: Counted from 0; each has its own order and its own draws.
        skip_steps: Batches that a resumed run has seen; they are not decoded.

    Returns:
        (images, labels): (global_batch_size, H, W, C) float32 and
        (global_batch_size,) int64. A last, smaller batch is dropped.

    Raises:
        UsageError: if there are fewer examples than one batch has.
    """
    steps_per_epoch(source, recipe)
    batch_size = recipe.global_batch_size
    examples = _examples(
        source, recipe, statistics, seed, epoch, skip_steps * batch_size
    )
    batches = examples.batch(batch_size, drop_remainder=True)
    return batches.prefetch(_AUTOTUNE).with_options(_options())


def sample_batch(
    source: Any,
    recipe: Recipe,
    statistics: Statistics | None,
    *,
    seed: int,
    epoch: int,
    size: int,
) -> tuple[Any, Any]:
    """(images, labels) of `size` training examples, for recipe.before_epoch.

    Drawn without replacement, and apart from the epoch's own order.

    Raises:
        UsageError: if the training set is smaller than `size`.
    """
    if size > source.dataset.splits["train"]:
        raise UsageError(
            f"{source.dataset.name} has fewer than {size} training examples."
        )
    seed = mix(seed, _SAMPLE_STREAM)
    examples = _examples(source, recipe, statistics, seed, epoch, 0)
    return examples.take(size).batch(size).get_single_element()


def frames(source: Any, split: str, recipe: Recipe) -> Any:
    """Every image of a split once, in file order, as the views' frame.

    Returns:
        A tf.data.Dataset of what `frame` gives.
    """
    return _map(source.records(split), lambda r: frame(source, r, recipe))


def frame(
    source: Any, record: dict[str, Any], recipe: Recipe
) -> dict[str, Any]:
    """One record after the recipe's test_transforms.

    Returns:
        `image`, (F, F, C) float32, 0 .. 255; `label`; `id`.

    Raises:
        UsageError: if a test transform changes pixel values.
    """
    view = _whole(source, record["image"])
    for _, op in active(recipe.test_transforms, epoch=0):
        if not op.geometric:
            raise UsageError(
                f"{op} is in test_transforms, which are geometric; what "
                "changes pixel values goes into normalize."
            )
        view = op(view, None)
    return {
        "image": realize(view, record["image"], recipe.channels, source.jpeg),
        "label": _checked(record["label"], recipe),
        "id": record["id"],
    }


def test_batches(
    source: Any,
    split: str,
    recipe: Recipe,
    statistics: Statistics | None,
    view: str,
    *,
    batch_size: int,
) -> Any:
    """Every image of a split once, in file order, a tf.data.Dataset.

    Returns:
        (images, labels, counts, ids): (batch_size, V, H, W, C) float32, the V
        windows of `view`; (batch_size,) int64; (batch_size,) float32, 1 for an
        image and 0 for the padding of the last batch; (batch_size,) string.

    Raises:
        UsageError: if the view does not fit the recipe's frame.
    """
    import tensorflow as tf

    def cut(seen: dict[str, Any]) -> tuple:
        images = _windows(seen["image"], recipe, statistics, view)
        return images, seen["label"], tf.ones(()), seen["id"]

    examples = _map(frames(source, split, recipe), cut)
    padding = -source.dataset.splits[split] % batch_size
    blank = [tf.zeros(spec.shape, spec.dtype) for spec in examples.element_spec]
    blanks = tf.data.Dataset.from_tensors(tuple(blank)).repeat(padding)
    batches = examples.concatenate(blanks).batch(
        batch_size, drop_remainder=True
    )
    return batches.prefetch(_AUTOTUNE).with_options(_options())


_AUTOTUNE = -1  # tf.data.AUTOTUNE, without importing TensorFlow


def _map(dataset: Any, function: Callable) -> Any:
    import tensorflow as tf

    plain = tf.autograph.experimental.do_not_convert(function)
    return dataset.map(plain, _AUTOTUNE, deterministic=True)


def _options() -> Any:
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = True
    # Its thread is not woken when an iterator is deleted, which then waits
    # for it, up to a minute (TensorFlow 2.21).
    options.autotune.enabled = False
    # Batches are global: each worker reads them all and takes its share.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return options


def _examples(
    source: Any,
    recipe: Recipe,
    statistics: Statistics | None,
    seed: int,
    epoch: int,
    skip: int,
) -> Any:
    shuffled = source.shuffled("train", seed=seed, epoch=epoch, skip=skip)
    make = _maker(source, recipe, statistics, seed, epoch)

    def example(position: Any, element: Any) -> tuple[Any, Any]:
        record = shuffled.read(element)
        image = make(record["image"], position)
        return image, _checked(record["label"], recipe)

    return _map(shuffled.elements, example)


def _maker(
    source: Any,
    recipe: Recipe,
    statistics: Statistics | None,
    seed: int,
    epoch: int,
) -> Callable[[Any, Any], Any]:
    """From (encoded image, position) to the network's input."""
    chain = active(
        (*recipe.train_transforms, recipe.normalize, *recipe.train_noise), epoch
    )
    geometric = [op for op in chain if op[1].geometric]
    pixel = [op for op in chain if not op[1].geometric]
    if chain != geometric + pixel:
        raise UsageError(
            "A recipe's geometric transforms (resize, crop, flip, pad) must "
            "come before those of pixel values."
        )

    def make(encoded: Any, position: Any) -> Any:
        def key(place: int) -> Key:
            return Key(mix(seed, epoch, place), position)

        view = _whole(source, encoded)
        for place, op in geometric:
            view = op(view, key(place))
        image = realize(view, encoded, recipe.channels, source.jpeg)
        top = view.window.top - view.frame.top
        left = view.window.left - view.frame.left
        for place, op in pixel:
            context = Context(top, left, view.mirrored, statistics, key(place))
            image = op(image, context)
        return _sized(image, recipe)

    return make


def _whole(source: Any, encoded: Any) -> View:
    size = source.image_shape or image_size(encoded, source.jpeg)
    return View.whole(*size)


def _windows(
    frame: Any, recipe: Recipe, statistics: Statistics | None, view: str
) -> Any:
    """The normalised windows of one frame, (V, H, W, C)."""
    import tensorflow as tf

    size = recipe.image_size
    cut = []
    for window in windows(view, frame.shape[0], size):
        top, left = window.top, window.left
        image = frame[top : top + size, left : left + size]
        image = mirror(image, window.mirrored)
        context = Context(top, left, window.mirrored, statistics)
        cut.append(_sized(recipe.normalize(image, context), recipe))
    return tf.stack(cut)


def _sized(image: Any, recipe: Recipe) -> Any:
    expected = (recipe.image_size, recipe.image_size, recipe.channels)
    if tuple(image.shape) != expected:
        raise UsageError(
            f"The recipe's transforms give images of {tuple(image.shape)}; its "
            f"image_size and channels say {expected}."
        )
    return image


def _checked(label: Any, recipe: Recipe) -> Any:
    """The label; fails if it is not one of 0 .. num_classes - 1."""
    import tensorflow as tf

    # One cheap operation in the place of two assertions.
    return tf.gather(tf.range(recipe.num_classes, dtype=tf.int64), label)
