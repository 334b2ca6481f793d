"""The one tf.data path, from records to batches.

Whatever the threads, the replicas or the resumes: a training batch is a
function of (seed, epoch, position) only, a test batch of its position.
"""

from typing import Any

from common.data import halves
from common.data.examples import SAMPLE_STREAM, batches, checked, sized, whole
from common.data.keys import mix
from common.data.sharding import WHOLE, Part, mapped
from common.data.statistics import Statistics
from common.data.transforms import Context, active
from common.data.transforms.view import mirror, realize
from common.errors import UsageError
from common.evaluation.views import Window, windows
from common.recipes.recipe import Recipe


def steps_per_epoch(source: Any, recipe: Recipe) -> int:
    """Updates in one epoch; what is left over by the last one is dropped.

    Raises:
        UsageError: if there are fewer examples than one batch has.
    """
    examples = source.dataset.splits.get("train", 0)
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
    part: Part = WHOLE,
) -> Any:
    """The batches of one epoch, a tf.data.Dataset.

    Args:
        source: See common.data.catalog.open_source.
        recipe: Its transforms and batch size.
        statistics: See common.data.statistics; None if none are needed.
        seed: Of the run.
        epoch: Counted from 0; each has its own order and its own draws.
        skip_steps: Batches that a resumed run has seen; they are not decoded.
        part: Of each batch, what this worker computes.

    Returns:
        (images, labels): (global_batch_size, H, W, C) float32 and
        (global_batch_size,) int64, or a part of them. A last, smaller batch
        is dropped.

    Raises:
        UsageError: if there are fewer examples than one batch has.
    """
    left = steps_per_epoch(source, recipe) - skip_steps
    size = recipe.global_batch_size
    order = (seed, epoch, skip_steps * size)
    made = batches(source, recipe, statistics, order, size, part)
    return made.take(left * part.devices)


def host_batches(
    source: Any,
    recipe: Recipe,
    statistics: Statistics | None,
    *,
    seed: int,
    epoch: int,
    skip_steps: int = 0,
    part: Part = WHOLE,
) -> Any:
    """The batches of `train_batches`, as the host sends them to a device.

    `common.data.halves.device_part` makes the same images of them.

    Args:
        source: As for `train_batches`, as all others.

    Returns:
        (images, labels): a common.data.halves.HostBatch, and (B,) int64.

    Raises:
        UsageError: if there are fewer examples than one batch has.
    """
    left = steps_per_epoch(source, recipe) - skip_steps
    size = recipe.global_batch_size
    order = (seed, epoch, skip_steps * size)
    made = halves.host_batches(source, recipe, statistics, order, size, part)
    return made.take(left * part.devices)


def sample_batch(
    source: Any, recipe: Recipe, statistics: Statistics | None, *, seed: int, epoch: int, size: int
) -> tuple[Any, Any]:
    """(images, labels) of `size` training examples, for recipe.before_epoch.

    Drawn without replacement, and apart from the epoch's own order.

    Raises:
        UsageError: if the training set is smaller than `size`.
    """
    if size > source.dataset.splits["train"]:
        raise UsageError(f"{source.dataset.name} has fewer than {size} training examples.")
    order = (mix(seed, SAMPLE_STREAM), epoch, 0)
    made = batches(source, recipe, statistics, order, size, WHOLE)
    return made.take(1).get_single_element()


def require_fitting(source: Any, recipe: Recipe, views: Any) -> None:
    """What would fail after a training is found before it.

    Raises:
        UsageError: if a view does not fit the frame that the recipe tests on.
    """
    split = source.dataset.test_split
    seen = frames(source, split, recipe).element_spec["image"]
    for view in views:
        windows(view, seen.shape[0], recipe.image_size)


def frames(source: Any, split: str, recipe: Recipe) -> Any:
    """Every image of a split once, in file order, as the views' frame.

    Returns:
        A tf.data.Dataset of what `frame` gives.
    """
    return mapped(source.records(split), lambda r: frame(source, r, recipe))


def frame(source: Any, record: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """One record after the recipe's test_transforms.

    Returns:
        `image`, (F, F, C) float32, 0 .. 255; `label`; `id`.

    Raises:
        UsageError: if a test transform changes pixel values.
    """
    view = whole(source, record["image"])
    for _, op in active(recipe.test_transforms, epoch=0):
        if not op.geometric:
            raise UsageError(
                f"{op} is in test_transforms, which are geometric; what "
                "changes pixel values goes into normalize."
            )
        view = op(view, None)
    return {
        "image": realize(view, record["image"], recipe.channels, source.jpeg),
        "label": checked(record["label"], recipe),
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
    skip: int = 0,
    part: Part = WHOLE,
) -> Any:
    """Every image of a split once, in file order, a tf.data.Dataset.

    Args:
        skip: Images at the beginning that are left out; not decoded.
        part: Of each batch, what this worker computes.

    Returns:
        (images, labels, counts, ids): (batch_size, V, H, W, C) float32, the V
        windows of `view`; (batch_size,) int64; (batch_size,) float32, 1 for an
        image and 0 for the padding of the last batch; (batch_size,) string.

    Raises:
        UsageError: if the view does not fit the recipe's frame.
    """
    import tensorflow as tf

    def cut(record: dict[str, Any]) -> tuple:
        seen = frame(source, record, recipe)
        images = normalized_windows(seen["image"], recipe, statistics, view)
        return images, seen["label"], tf.ones(()), seen["id"]

    records = part.own_records(source.records(split).skip(skip), batch_size)
    examples = mapped(records, cut)
    padding = part.missing(source.dataset.splits[split] - skip, batch_size)
    blank = [tf.zeros(spec.shape, spec.dtype) for spec in examples.element_spec]
    blanks = tf.data.Dataset.from_tensors(tuple(blank)).repeat(padding)
    return part.batches(examples.concatenate(blanks), batch_size)


def normalized_windows(frame: Any, recipe: Recipe, statistics: Statistics | None, view: str) -> Any:
    """What the network sees of one frame, (F, F, C) -> (V, H, W, C)."""
    import tensorflow as tf

    size = recipe.image_size
    cut = []
    for window in windows(view, frame.shape[0], size):
        top, left = window.top, window.left
        image = frame[top : top + size, left : left + size]
        image = mirror(image, window.mirrored)
        cut.append(normalized(image, recipe, statistics, window))
    return tf.stack(cut)


def normalized(image: Any, recipe: Recipe, statistics: Statistics | None, window: Window) -> Any:
    """A window of a frame, cut and mirrored already, as the network sees it."""
    context = Context(window.top, window.left, window.mirrored, statistics)
    return sized(recipe.normalize(image, context), recipe)
