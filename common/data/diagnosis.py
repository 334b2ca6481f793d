"""Which record broke the input pipeline."""

import contextlib
from collections.abc import Iterator
from typing import Any

from common.data.dataset import Source
from common.data.images.decoder import readable
from common.data.pipeline import frame
from common.data.sharding import parallel_map
from common.errors import RunError, tensorflow_message
from common.lazy import tf
from common.recipes.recipe import Recipe


@contextlib.contextmanager
def explained(source: Source, split: str, recipe: Recipe) -> Iterator[None]:
    """Turns a failure of the input pipeline inside into a RunError."""
    try:
        yield
    except (
        tf.errors.InvalidArgumentError,
        tf.errors.DataLossError,
        tf.errors.FailedPreconditionError,  # fewer records than there should be
        tf.errors.NotFoundError,  # taken away meanwhile
        tf.errors.PermissionDeniedError,
        tf.errors.UnknownError,  # of the disk
    ) as error:
        raise explain(error, source, split, recipe) from error


def explain(error: Exception, source: Source, split: str, recipe: Recipe) -> RunError:
    """The error to show after the input pipeline failed with one that `explained` turns.

    Reads the split once more, in file order, up to its first bad record; the
    recipe's channels, classes and test_transforms are tried.
    """
    what = f"{source.dataset.name}, split {split!r} in {source.where}"
    fix = f"Mend it or prepare the data set again. {source.dataset.how_to_get}"
    try:
        for _ in source.records(split):
            pass
        place = _first_bad(source, split, recipe)
    except tf.errors.OpError as damage:
        told = source.damage(split) or tensorflow_message(damage)
        return RunError(f"{what}: a file is damaged: {told} {fix}")
    if place is None:
        return RunError(
            f"Reading {what} failed, though each record reads well by itself: "
            f"{tensorflow_message(error)} Run the same command again."
        )
    record = next(iter(source.records(split).skip(place)))
    name = record["id"].numpy().decode()
    reason = _reason(source, record, recipe)
    return RunError(f"{what}: the record {name} {reason} {fix}")


def _first_bad(source: Source, split: str, recipe: Recipe) -> int | None:
    """The place of the first record that cannot be used."""

    def tried(place: Any, record: dict[str, Any]) -> tuple:
        whole, seen = _try(source, record, recipe)
        # All of it is given back: what nobody asks for is not computed.
        return place, whole[0, 0, 0], seen["image"][0, 0, 0], seen["label"]

    sound = parallel_map(source.records(split).enumerate(), tried)
    expected = 0
    for place, *_ in sound.ignore_errors().as_numpy_iterator():
        if place != expected:
            return expected
        expected += 1
    return expected if expected < source.dataset.splits[split] else None


def _try(source: Source, record: dict[str, Any], recipe: Recipe) -> tuple:
    """Decodes all of the image, not only the part that the frame needs."""
    whole = tf.io.decode_image(record["image"], channels=recipe.channels, expand_animations=False)
    return whole, frame(source, record, recipe)


def _reason(source: Source, record: dict[str, Any], recipe: Recipe) -> str:
    label = int(record["label"])
    if not 0 <= label < recipe.num_classes:
        return f"has the label {label}, which is not one of 0 .. {recipe.num_classes - 1}."
    try:
        readable(record["image"].numpy())
        _try(source, record, recipe)
    except ValueError as error:
        return f"is not used: {error}."
    except tf.errors.OpError as error:
        return f"does not decode: {tensorflow_message(error)}"
    return "failed, but reads well now."
