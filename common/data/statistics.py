"""Means and covariances of a training set, computed once and kept.

Importing this module imports no TensorFlow.
"""

import contextlib
import hashlib
import json
import pathlib
from collections.abc import Callable

import numpy as np

from common.data.dataset import Source, TrainingSource
from common.data.pipeline import frames
from common.data.transforms import active
from common.data.transforms.operation import Statistics
from common.files import write_atomically
from common.recipes.recipe import Recipe

_VERSION = 1  # of the computation; a new one makes old files stale
_BATCH = 64  # images


def needed(recipe: Recipe) -> bool:
    """Whether any of the recipe's operations uses statistics."""
    chain = (*recipe.train_transforms, recipe.normalize, *recipe.train_noise)
    return any(operation.needs_statistics for _, operation in active(chain, epoch=-1))


def statistics_for(
    source: TrainingSource,
    recipe: Recipe,
    cache_dir: str,
    progress: Callable[[int, int], None] | None = None,
) -> Statistics | None:
    """The statistics of the training set, or None if none are needed.

    One pass over the training split, through the recipe's test_transforms; the
    result is kept in `cache_dir`, and computed again if the file is damaged.

    Args:
        source: See common.data.catalog.open_source.
        recipe: Its test_transforms and channels.
        cache_dir: Created if it is missing; where it cannot be written,
            nothing is kept.
        progress: Called with (images done, images in all).
    """
    if not needed(recipe):
        return None
    if (found := kept(source, recipe, cache_dir)) is not None:
        return found
    computed = compute(source, recipe, progress)
    file = _file(source, recipe, cache_dir)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        save(computed, file)
    return computed


def kept(source: TrainingSource, recipe: Recipe, cache_dir: str) -> Statistics | None:
    """What an earlier `statistics_for` kept; None if there was none."""
    return load(_file(source, recipe, cache_dir))


def _file(source: TrainingSource, recipe: Recipe, cache_dir: str) -> pathlib.Path:
    name = f"{cache_key(source, recipe)}.npz"
    return pathlib.Path(cache_dir, "statistics", name)


def cache_key(source: TrainingSource, recipe: Recipe) -> str:
    """What the statistics depend on, as one word."""
    facts = {
        "version": _VERSION,
        "data": source.fingerprint(),
        "transforms": repr(recipe.test_transforms),
        "channels": recipe.channels,
    }
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def compute(
    source: Source, recipe: Recipe, progress: Callable[[int, int], None] | None = None
) -> Statistics:
    """The statistics, by one pass over the training split."""
    total = source.dataset.splits["train"]
    images = frames(source, "train", recipe).map(lambda record: record["image"])
    done, summed, products = 0, 0.0, 0.0
    for batch in images.batch(_BATCH).prefetch(1).as_numpy_iterator():
        done += len(batch)
        summed = summed + batch.sum(axis=0, dtype=np.float64)
        pixels = batch.reshape(-1, batch.shape[-1]).astype(np.float64)
        products = products + pixels.T @ pixels
        if progress:
            progress(done, total)
    mean_image = summed / done
    pixel_mean = mean_image.mean(axis=(0, 1))
    count = done * mean_image.shape[0] * mean_image.shape[1]
    covariance = products / count - np.outer(pixel_mean, pixel_mean)
    return Statistics(
        mean_image=mean_image.astype(np.float32),
        pixel_mean=pixel_mean,
        pixel_std=np.sqrt(np.diag(covariance)),
        covariance=covariance,
    )


def save(statistics: Statistics, file: pathlib.Path) -> None:
    """Writes them to a file that is whole or not there."""
    write_atomically(file, lambda stream: np.savez(stream, **vars(statistics)))


def load(file: pathlib.Path) -> Statistics | None:
    """What `save` wrote; None if the file is missing or damaged."""
    try:
        with np.load(file) as arrays:
            found = Statistics(**arrays)
    except Exception:  # a damaged zip file raises many different ones
        return None
    sound = all(np.isfinite(array).all() for array in vars(found).values())
    return found if sound else None
