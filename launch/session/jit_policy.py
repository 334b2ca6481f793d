"""Whether XLA compiles a training's step, where the command does not say.

On GPUs it does. On a CPU it pays for updates so small that starting
TensorFlow's operations takes longer than they do; others it slows down: see
launch/bench/README.md. The arithmetic has the same precision either way.

Five places decide what XLA compiles:

    decide, here                      whether at all, where no --jit_compile says it
    common.training.train_step        on one device the whole update, on several the gradients
    common.training.loop: TrainSteps  the loop over a resident set's batches: GPUs, small updates
    common.training.loop: Evaluator   the tests of a training, on GPUs only
    launch.inference.evaluation       those of `evaluate`, with --jit_compile only
"""

import dataclasses
import importlib.metadata
import os
import pathlib
import re

from common.distribution import hardware
from common.recipes.recipe import is_small, normalizes_whole_batches
from common.training.run_record import last_session
from launch.settings.options import Training


def decide(training: Training, *, replicas: int, platform: str) -> Training:
    """The training with a jit_compile that is True or False.

    What the command leaves open stays in a run as it was in its last session:
    the same command then computes the same.

    Args:
        replicas: How many devices share a batch.
        platform: Theirs, "cpu" or "gpu".
    """
    if training.devices.jit_compile is not None:
        return training
    recipe = training.experiment.recipe
    before = last_session(training.settings.workdir).get("jit_compile")
    pays = platform == "gpu" or (replicas == 1 and is_small(recipe))
    able = replicas == 1 or not normalizes_whole_batches(recipe)
    wanted = pays if before is None else before
    devices = dataclasses.replace(training.devices, jit_compile=wanted and able)
    return dataclasses.replace(training, devices=devices)


def keep_compiled(folder: pathlib.Path) -> None:
    """What XLA compiles is kept in `folder`, for the next start.

    By processor, GPUs and TensorFlow's version: what was compiled for one may
    end a program on another. To be called before TensorFlow is imported, which
    reads the variable then. TF_XLA_FLAGS that name a folder of their own stay;
    where nothing can be written, nothing is kept.
    """
    given = os.environ.get("TF_XLA_FLAGS", "")
    if "persistent_cache_directory" in given:
        return
    what = f"{importlib.metadata.version('tensorflow')} {hardware.models()}"
    place = folder / "xla" / re.sub(r"[^A-Za-z0-9.]+", "-", what)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if " " in str(place) or not os.access(place, os.W_OK):
        return  # the flags are split at spaces
    kept = f"{given} --tf_xla_persistent_cache_directory={place}"
    os.environ["TF_XLA_FLAGS"] = kept.strip()
