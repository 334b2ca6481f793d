"""The one tf.data path, from records to batches.

Whatever the threads, the replicas or the resumes: a training batch is a
function of (seed, epoch, position) only, a test batch of its position.
"""

import dataclasses
from typing import Any

from common.data import resident
from common.data.dataset import Source, TrainingSource
from common.data.examples import HostBatch, is_enlarged, make_example, require_class, view_of
from common.data.rng import fold_in
from common.data.sharding import WHOLE, WorkerShard, parallel_map
from common.data.transforms import active
from common.data.transforms.operation import Statistics
from common.data.transforms.resampling import taps
from common.data.transforms.view import View, realize
from common.errors import UsageError
from common.recipes.recipe import Recipe


def steps_per_epoch(source: Source, recipe: Recipe) -> int:
    """Updates in one epoch; what is left over by the last one is dropped.

    Raises:
        UsageError: if there are fewer examples than one batch has.
    """
    examples = source.dataset.splits.get("train", 0)
    if not examples and source.dataset.name.startswith("folder:"):
        raise UsageError(
            f"{source.dataset.name} has images for tests only. Class folders that are all called "
            "as in ImageNet (n01440764 ...) are tests of networks of its 1,000 classes, where "
            "no folder is called train: to train on them, call them otherwise, or make it "
            "PATH/train/CLASS and PATH/validation/CLASS."
        )
    steps = examples // recipe.global_batch_size
    if not steps:
        raise UsageError(
            f"{source.dataset.name} has {examples} training examples, fewer than one batch of "
            f"{recipe.global_batch_size}; choose a larger data set or --set "
            f"global_batch_size={examples}, or less."
        )
    return steps


def updates(source: Source, recipe: Recipe) -> int:
    """Updates in the whole training: of all epochs, or recipe.updates."""
    whole = recipe.epochs * steps_per_epoch(source, recipe)
    return whole if recipe.updates is None else min(whole, recipe.updates)


def train_batches(
    source: TrainingSource,
    recipe: Recipe,
    statistics: Statistics | None,
    *,
    seed: int,
    epoch: int,
    skip_steps: int = 0,
    shard: WorkerShard = WHOLE,
    for_device: bool = False,
) -> Any:
    """The batches of one epoch, a tf.data.Dataset.

    Args:
        source: See common.data.catalog.open_source.
        recipe: Its transforms and batch size.
        statistics: See common.data.statistics; None if none are needed.
        seed, epoch: Each has its own order and its own draws; epochs count from 0.
        skip_steps: Batches that a resumed run has seen; they are not decoded.
        shard: Of each batch, what this worker computes.
        for_device: Whether they are what the host sends to a device, of which
            common.data.examples.finish_on_device makes the same images there.

    Returns:
        (images, labels): (global_batch_size, H, W, C) float32, or a
        common.data.examples.HostBatch, and (global_batch_size,) int64; or a part
        of them. A last, smaller batch is dropped.

    Raises:
        UsageError: if there are fewer examples than one batch has.
    """
    left = steps_per_epoch(source, recipe) - skip_steps
    size = recipe.global_batch_size
    shuffled = source.shuffled("train", seed=seed, epoch=epoch, skip=skip_steps * size)
    elements = shard.select(shuffled.elements, size)
    kept = None if for_device else resident.open_on_host(source, recipe, statistics, epoch)
    if kept is not None:
        made = shard.make_batches(elements, size, kept.make_examples(seed=seed, epoch=epoch))
    else:
        order = {"seed": seed, "epoch": epoch}
        make = make_example(source, recipe, statistics, **order, for_device=for_device)
        made = parallel_map(elements, lambda position, e: make(position, shuffled.read(e)))
        made = shard.batch(made, size)
    if for_device and is_enlarged(source, recipe, epoch):

        def finish(batch: HostBatch, labels: Any) -> tuple[HostBatch, Any]:
            numbers = taps(batch.taps, recipe.image_size, batch.mirrored)
            return batch._replace(taps=numbers), labels

        made = parallel_map(made, finish)
    return made.take(left * shard.devices)


def sample_batch(
    source: TrainingSource,
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
        raise UsageError(f"{source.dataset.name} has fewer than {size} training examples.")
    one = dataclasses.replace(recipe, global_batch_size=size)
    own = fold_in(seed, resident.SAMPLE_STREAM)
    made = train_batches(source, one, statistics, seed=own, epoch=epoch)
    return made.take(1).get_single_element()


def frames(source: Source, split: str, recipe: Recipe) -> Any:
    """Every image of a split once, in file order, as the views' frame.

    Returns:
        A tf.data.Dataset of what `frame` gives.
    """
    return parallel_map(source.records(split), lambda r: frame(source, r, recipe))


def frame(source: Source, record: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """One record after the recipe's test_transforms.

    Returns:
        `image`, (F, F, C) float32, 0 .. 255; `label`; `id`.

    Raises:
        UsageError: if a test transform changes pixel values.
    """
    view = _frame_of(view_of(source, record["image"]), recipe)
    return {
        "image": realize(view, record["image"], recipe.channels, source.jpeg),
        "label": require_class(record["label"], recipe),
        "id": record["id"],
    }


def frame_side(recipe: Recipe, side: int) -> int:
    """Of the frame that a square image of `side` pixels gives."""
    return _frame_of(View.whole(side, side), recipe).window.height


def _frame_of(view: View, recipe: Recipe) -> View:
    for _, op in active(recipe.test_transforms, epoch=0):
        if not op.geometric:
            raise UsageError(
                f"{op} is in test_transforms, which are geometric; what "
                "changes pixel values goes into normalize."
            )
        view = op(view, None)
    return view


def stored_side(recipe: Recipe) -> int | None:
    """Of the training images, where the recipe leaves them as they are.

    The frame is then as large as the network's input (MNIST, CIFAR-10).
    """
    large = 4 * recipe.image_size
    frame = frame_side(recipe, large)
    resized = frame == frame_side(recipe, 2 * large)
    return None if resized else recipe.image_size - (frame - large)
