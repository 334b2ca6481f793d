"""Whether XLA compiles a training's step, where the command does not say.

On GPUs it does. On a CPU it pays for updates so small that starting
TensorFlow's operations takes longer than they do; others it slows down: see
launch/speed.md. The arithmetic has the same precision either way.
"""

import dataclasses

from common.recipe import Recipe
from common.runs import last_session
from launch.options import Options

SMALL = 2_048  # values in the images of an update: LeNet-5's has 1,024


def decided(options: Options, *, devices: int, platform: str) -> Options:
    """`options` with jit_compile True or False.

    What the command leaves open stays in a run as it was in its last session:
    the same command then computes the same.

    Args:
        devices: How many share a batch.
        platform: Theirs, "cpu" or "gpu".
    """
    if options.jit_compile is not None:
        return options
    before = last_session(options.workdir).get("jit_compile")
    pays = platform == "gpu" or (devices == 1 and is_small(options.recipe))
    able = devices == 1 or not options.recipe.synchronized_batch_norm
    wanted = pays if before is None else before
    return dataclasses.replace(options, jit_compile=wanted and able)


def is_small(recipe: Recipe) -> bool:
    """Whether XLA makes its step faster on a CPU."""
    image = recipe.image_size**2 * recipe.channels
    return recipe.global_batch_size * image <= SMALL
