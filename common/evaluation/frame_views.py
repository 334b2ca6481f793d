"""What a network sees of the windows of the recipe's frame: see common.evaluation.views."""

from typing import Any

from common.data import pipeline
from common.data.dataset import Source
from common.data.examples import require_size
from common.data.sharding import WHOLE, WorkerShard, parallel_map
from common.data.statistics import Statistics
from common.data.transforms import Context
from common.data.transforms.view import mirror
from common.evaluation.views import Window, windows
from common.recipes.recipe import Recipe


def require_fitting(source: Source, recipe: Recipe, views: Any) -> None:
    """What would fail after a training is found before it.

    Raises:
        UsageError: if a view does not fit the frame that the recipe tests on.
    """
    split = source.dataset.test_split
    seen = pipeline.frames(source, split, recipe).element_spec["image"]
    for view in views:
        windows(view, seen.shape[0], recipe.image_size)


def test_batches(
    source: Source,
    split: str,
    recipe: Recipe,
    statistics: Statistics | None,
    view: str,
    *,
    batch_size: int,
    skip: int = 0,
    shard: WorkerShard = WHOLE,
) -> Any:
    """Every image of a split once, in file order, a tf.data.Dataset.

    Args:
        skip: Images at the beginning that are left out; not decoded.
        shard: Of each batch, what this worker computes.

    Returns:
        (images, labels, counts, ids): (batch_size, V, H, W, C) float32, the V
        windows of `view`; (batch_size,) int64; (batch_size,) float32, 1 for an
        image and 0 for the padding of the last batch; (batch_size,) string.

    Raises:
        UsageError: if the view does not fit the recipe's frame.
    """
    import tensorflow as tf

    def cut(record: dict[str, Any]) -> tuple:
        seen = pipeline.frame(source, record, recipe)
        images = normalized_windows(seen["image"], recipe, statistics, view)
        return images, seen["label"], tf.ones(()), seen["id"]

    records = shard.select_records(source.records(split).skip(skip), batch_size)
    examples = parallel_map(records, cut)
    padding = shard.count_missing(source.dataset.splits[split] - skip, batch_size)
    blank = [tf.zeros(spec.shape, spec.dtype) for spec in examples.element_spec]
    blanks = tf.data.Dataset.from_tensors(tuple(blank)).repeat(padding)
    return shard.batch(examples.concatenate(blanks), batch_size)


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
    return require_size(recipe.normalize(image, context), recipe)
