"""When a device's memory is too small for its part of a batch."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from common.data.sources.tfds import line_of
from common.errors import RunError
from common.recipes.recipe import Recipe


@contextlib.contextmanager
def explain_memory(recipe: Recipe, replicas: int, microbatches: int) -> Iterator[None]:
    """Turns TensorFlow's error inside into a RunError that says what fits."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        share = recipe.global_batch_size // (replicas * microbatches)
        parts = next((n for n in range(2, share + 1) if share % n == 0), None)
        smaller = "."
        if parts and not recipe.synchronized_batch_norm:
            smaller = f", or smaller parts: --microbatches {microbatches * parts}."
        raise RunError(
            f"A device's memory is too small for {share} images at a time "
            f"({line_of(error).rstrip('.')}). Give it more devices (--gpus){smaller} The same "
            "command with that goes on from the last checkpoint."
        ) from error
