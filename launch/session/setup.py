"""What a command sets up before it computes: devices, data, the network."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

import reproductions
from common.data import catalog
from common.data.dataset import DataSet
from common.data.diagnosis import explained
from common.data.sources.subset import plan_subset, take_subset
from common.data.statistics import statistics_for
from common.distribution import hardware
from common.distribution.cluster import Cluster
from common.distribution.strategy import make_strategy, on_gpus
from common.errors import RunError, UsageError, tensorflow_message
from common.recipes.recipe import Recipe, is_small, normalizes_whole_batches
from common.training.steps import repeat_bit_for_bit
from launch.session.rendezvous import waiting
from launch.settings.options import Devices, Experiment
from launch.terminal.quiet import quiet


def prepare_tensorflow(
    devices: Devices, recipe: Recipe, seed: int = 0, cluster: Cluster | None = None
) -> tf.distribute.Strategy:
    """Devices, precision and seeds of this process; its one strategy."""
    logging.getLogger("absl").setLevel(logging.ERROR)  # TFDS's deprecations
    gpus = devices.gpus
    if gpus is None and devices.platform == "auto" and is_small(recipe):
        gpus = 0  # which would spend their time starting kernels
    with waiting(cluster), quiet():
        strategy = make_strategy(gpus, devices.platform, cluster)
        keras.utils.set_random_seed(seed)
    repeat_bit_for_bit()
    set_precision(devices.precision, strategy)
    return strategy


def set_precision(precision: str, strategy: tf.distribute.Strategy) -> None:
    """Of all that is computed from now on.

    Raises:
        UsageError: for TensorFloat-32 where nothing computes in it.
    """
    rounded = precision == "tensorfloat32"
    if rounded and not on_gpus(strategy):
        raise UsageError(
            "--precision tensorfloat32 is of NVIDIA's GPUs, and this would run "
            "on a CPU. Leave it out: float32 is as fast here."
        )
    if rounded and not hardware.has_tensorfloat32():
        raise UsageError(
            "--precision tensorfloat32 needs a GPU of compute capability 8.0 "
            "(Ampere) or newer. Leave it out, or use mixed_float16."
        )
    if rounded and os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        raise UsageError(
            "--precision tensorfloat32, but the environment variable "
            "NVIDIA_TF32_OVERRIDE=0 forbids it. Unset it, or leave this out."
        )
    tf.config.experimental.enable_tensor_float_32_execution(rounded)
    policy = "float32" if rounded else precision
    keras.mixed_precision.set_global_policy(policy)


def open_data(experiment: Experiment):
    """The source of the experiment's data; after the devices were chosen."""
    source = catalog.open_source(experiment.dataset, experiment.data_dir)
    return take_subset(source, experiment.recipe)


def plan_data(experiment: Experiment):
    """The same for a plan, which can do without the data."""
    dataset = experiment.dataset
    if catalog.is_missing(dataset, experiment.data_dir):
        return catalog.NotHere(plan_subset(dataset, experiment.recipe))
    return open_data(experiment)


def show_notes(dataset: DataSet) -> None:
    """Says what a person must know of the data, such as what is left out."""
    for note in dataset.notes:
        print(note, file=sys.stderr)


def training_statistics(source, recipe: Recipe, scanning: Callable):
    """What the recipe needs to know of the training set's pixels."""
    with explained(source, "train", recipe):
        return statistics_for(source, recipe, scanning)


def build_network(experiment: Experiment, strategy: tf.distribute.Strategy) -> keras.Model:
    """The variant's network for the recipe's image size and classes."""
    recipe = experiment.recipe
    with strategy.scope(), tf.variable_creator_scope(initialize_on_cpu):
        model = reproductions.build_model(
            experiment.paper,
            experiment.variant,
            image_size=recipe.image_size,
            num_classes=recipe.num_classes,
            network=recipe.network,
        )
    frozen = recipe.fine_tuning.frozen if recipe.fine_tuning else ()
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = recipe.synchronized_batch_norm
        if layer.name.startswith(frozen):
            layer.trainable = False
    return model


def initialize_on_cpu(create, **values):
    """A variable begins with the same bits wherever it lies.

    GPUs compute the normal distribution to other last digits.
    """
    initial = values["initial_value"]
    if callable(initial):
        with tf.device("CPU:0"):
            values["initial_value"] = initial()
    return create(**values)


@contextlib.contextmanager
def explain_memory(recipe: Recipe, replicas: int, microbatches: int) -> Iterator[None]:
    """Turns TensorFlow's error inside into a RunError that says what fits."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        share = recipe.global_batch_size // (replicas * microbatches)
        parts = next((n for n in range(2, share + 1) if share % n == 0), None)
        smaller = "."
        if parts and not normalizes_whole_batches(recipe):
            smaller = f", or smaller parts: --microbatches {microbatches * parts}."
        raise RunError(
            f"A device's memory is too small for {share} images at a time "
            f"({tensorflow_message(error).rstrip('.')}). Give it more devices (--gpus){smaller} "
            "The same command with that goes on from the last checkpoint."
        ) from error
