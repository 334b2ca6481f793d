"""When a device's memory is too small for its part of a batch."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from common.data.sources.tfds import line_of
from common.errors import RunError
from launch.settings.options import Options


@contextlib.contextmanager
def fitting(options: Options, replicas: int) -> Iterator[None]:
    """Turns TensorFlow's error inside into a RunError that says what fits."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        size = options.recipe.global_batch_size
        share = size // (replicas * options.microbatches)
        told = line_of(error).rstrip(".")
        raise RunError(
            f"A device's memory is too small for {share} images at a time "
            f"({told}). {_smaller(options, share)} The same command with that "
            "goes on from the last checkpoint."
        ) from error


def _smaller(options: Options, share: int) -> str:
    """What takes less memory, by the command line."""
    parts = [n for n in range(2, share + 1) if share % n == 0]
    if not parts or options.recipe.synchronized_batch_norm:
        return "Give it more devices (--gpus)."
    return (
        "Give it more devices (--gpus), or smaller parts: --microbatches "
        f"{options.microbatches * parts[0]}."
    )
