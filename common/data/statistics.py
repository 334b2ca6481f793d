"""Means and covariances of a training set, computed once and kept."""

import contextlib
import hashlib
import json
import pathlib
from collections.abc import Callable

from common.data import imagenet
from common.data.dataset import Source, TrainingSource
from common.data.pipeline import frame_side, frames, stored_side
from common.data.transforms import active
from common.data.transforms.operation import Statistics
from common.data.transforms.pixels import SubtractCentreMean, SubtractMeanImage
from common.errors import UsageError
from common.files import cache_dir, write_atomically
from common.lazy import np
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
    progress: Callable[[int, int], None] | None = None,
) -> Statistics | None:
    """The statistics of the training set, or None if none are needed.

    One pass over the training split, through the recipe's test_transforms; the
    result is kept in the cache, where that can be written, and computed again if
    the file is damaged.

    Args:
        source: See common.data.catalog.open_source.
        recipe: Its test_transforms and channels.
        progress: Called with (images done, images in all).
    """
    if not needed(recipe):
        return None
    file = kept_file(source, recipe)
    found = load(file)
    if found is None:
        found = compute(source, recipe, progress)
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            save(found, file)
    return found


def kept(source: TrainingSource, recipe: Recipe) -> Statistics | None:
    """What an earlier `statistics_for` kept; None if there was none."""
    return load(kept_file(source, recipe))


def kept_file(source: TrainingSource, recipe: Recipe) -> pathlib.Path:
    """Where they are kept, by all that they depend on."""
    facts = {
        "version": _VERSION,
        "data": source.fingerprint(),
        "transforms": repr(recipe.test_transforms),
        "channels": recipe.channels,
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    return cache_dir() / "statistics" / f"{key}.npz"


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


def published(recipe: Recipe) -> Statistics:
    """ImageNet's, as they were published: the mean image is everywhere the channel's mean."""
    mean = np.array(imagenet.CHANNEL_MEAN)
    side = frame_side(recipe, 2048)
    return Statistics(
        mean_image=np.full((side, side, len(mean)), mean, np.float32),
        pixel_mean=mean,
        pixel_std=np.full(len(mean), np.nan),
        covariance=np.full((len(mean), len(mean)), np.nan),
    )


def require_size(statistics: Statistics, recipe: Recipe) -> Statistics:
    """The statistics, if their mean image is of the recipe's frames.

    Raises:
        UsageError: if the network would be shown images of another size.
    """
    side = frame_side(recipe, stored_side(recipe) or 4 * recipe.image_size)
    kept = statistics.mean_image.shape[0]
    if kept != side and isinstance(recipe.normalize, SubtractMeanImage | SubtractCentreMean):
        raise UsageError(
            f"The mean image that was kept with the weights is of {kept} x "
            f"{kept} pixels; an image_size of {recipe.image_size} and its "
            f"test_transforms want one of {side} x {side}. Keep the "
            "image size that the network was trained with."
        )
    return statistics
