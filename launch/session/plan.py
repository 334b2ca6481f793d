"""`--dry_run`: what a run would do and cost, before it starts."""

import contextlib
import math
import time

import keras
import numpy as np
import tensorflow as tf

from common.data import pipeline
from common.data.resident import kept_bytes
from common.distribution import hardware
from common.distribution.batch_slice import per_replica_batch_size
from common.distribution.strategy import distribute
from common.models.layer_table import layer_table, totals, without_weights
from common.recipes.recipe import Recipe
from common.recipes.serialization import spell
from common.training.optimizers import build_optimizer
from common.training.steps import TrainSteps
from common.training.train_step import TrainStep
from launch.session.recipe_table import list_deviations, list_rows
from launch.session.run_session import kind_of_device
from launch.session.setup import build_network
from launch.session.starting_weights import describe_start, repeats_fine_tuning
from launch.settings.options import Devices, Training
from launch.terminal.display import duration

INPUT_BATCHES = 4  # in the step, being made, and prefetched
_TOLD = ("optimizer", "learning rate", "weight decay", "loss")  # of describe --recipe
_TOLD += ("augmentation", "normalisation", "noise", "initial weights", "response norm")
_OF_THE_BATCH = ("activations", "input")  # of the parts, what grows with it
# In the images of a timed step, per device: 8 of ImageNet's on a CPU; of so few a GPU does not show
# what it can.
TIMED_VALUES = {"cpu": 8 * 224 * 224 * 3, "gpu": 64 * 224 * 224 * 3}


def print_plan(training: Training, source, strategy, cluster=None, *, timed: bool = False) -> int:
    """Prints the plan as (what, value) lines; exit code 0. Writes nothing.

    Args:
        strategy: Of one worker of `cluster`.
        timed: Whether training steps are timed, which takes seconds to minutes.
    """
    experiment, settings, devices = training.experiment, training.settings, training.devices
    recipe, local = experiment.recipe, strategy.num_replicas_in_sync
    workers = cluster.workers if cluster else ("this process",)
    share = per_replica_batch_size(
        recipe.global_batch_size, len(workers) * local, settings.microbatches
    )
    step = describe_arithmetic(devices)
    time_row = "not timed: --time_step does it, in a minute or so"
    with contextlib.nullcontext() if timed else without_weights():
        model = build_network(experiment, strategy)
    memory = _memory(model, recipe, source, strategy, share, len(workers))
    if timed:
        time_row = measure_time(
            recipe, source, model, strategy, len(workers), jit_compile=devices.jit_compile
        )
    rows = [
        ("network", f"{experiment.variant}, {count_parameters(model)}"),
        ("data", f"{source.dataset.title} {source.where}"),
        ("devices", ", ".join(strategy.extended.worker_devices)),
        ("workers", f"{len(workers)}: {', '.join(workers)}"),
        (
            "batch",
            f"{recipe.global_batch_size} = {len(workers)} workers x {local} devices x "
            f"{settings.microbatches} microbatches x {share} images",
        ),
        *memory,
    ]
    name = ""
    updates = pipeline.updates(source, recipe)
    ends = {"updates": updates, "epochs": updates / pipeline.steps_per_epoch(source, recipe)}
    told = list_rows(experiment.paper, experiment.variant, recipe, model, **ends)
    for what, here, where in told:
        name = what or name  # a part of several lines has its name in the first
        if name in _TOLD:
            rows.append((what, f"{here}  [{where}]" if where else here))
    rows += [
        ("step", step),
        *estimate_cost(recipe, source, model),
        ("time", time_row),
        ("views", ", ".join(recipe.views)),
        ("written to", str(settings.workdir)),
    ]
    if start := recipe.initialize_from:
        place = training.before.settings.workdir
        rows.append(
            ("begins with", f"{start.layers} of {start.variant}, trained first, in {place}")
        )
    rows += [*describe_start(training, model), *_list_differences(recipe)]
    for what, value in rows:
        print(f"{what:<17}{value}")
    return 0


def _list_differences(recipe: Recipe) -> list[tuple[str, str]]:
    found = [(one.field, one.here, one.paper) for one in list_deviations(recipe)]
    changes = [one for one in recipe.overrides if not repeats_fine_tuning(one)]
    found += [(one.field, spell(one.new), spell(one.old)) for one in changes]
    return [("deviation", f"{field}: {here}; paper: {paper}") for field, here, paper in found]


def count_parameters(model: keras.Model) -> str:
    """Trainable ones of the main path, then those that only train it, or are frozen."""
    rows = layer_table(model)
    main, whole = totals(rows).params, sum(row.params for row in rows)
    text = f"{main:,} parameters"
    if frozen := sum(x.count_params() for x in model.layers if not x.trainable):
        text += f" that are trained; {frozen:,} weights in frozen layers"
    if whole == main:
        return text
    return f"{text}; {whole - main:,} more in auxiliary heads"


def estimate_cost(recipe: Recipe, source, model: keras.Model) -> list[tuple[str, str]]:
    """Steps and arithmetic: rows of the plan."""
    per_epoch = pipeline.steps_per_epoch(source, recipe)
    updates = pipeline.updates(source, recipe)
    images = updates * recipe.global_batch_size
    rows = layer_table(model)
    flop = 6 * images * sum(row.macs for row in rows)  # with auxiliary heads
    steps = f"{updates / per_epoch:.4g} epochs x {per_epoch:,} = {updates:,}; {images:,} images"
    if updates < recipe.epochs * per_epoch:
        steps += f"; it is updates={updates} that ends it, not epochs={recipe.epochs}"
    macs = f"{totals(rows).macs:,} multiply-accumulates per image forward"
    return [("steps", steps), ("arithmetic", f"{macs}, about {flop:.2g} FLOP in all")]


def measure_time(
    recipe: Recipe, source, model, strategy, workers: int = 1, *, jit_compile: bool = False
) -> str:
    """How long all steps take, by the speed of a few on this machine."""
    images = pipeline.updates(source, recipe) * recipe.global_batch_size
    speed = workers * images_per_second(model, recipe, strategy, jit_compile)
    return (
        f"about {duration(images / speed)} at {speed:,.0f} images/s, timed "
        "just now; input, tests and the network between hosts come on top"
    )


def describe_arithmetic(devices: Devices) -> str:
    """How the step is computed."""
    return devices.precision + (", by XLA" if devices.jit_compile else "")


def estimate_memory(model, optimizer, images: int, batch: int) -> dict[str, int]:
    """Bytes on one device, by what they hold.

    Args:
        model: The network.
        optimizer: Built for it.
        images: That the device computes at a time.
        batch: That one process reads for an update.
    """
    weights = model.trainable_variables
    # The gradient, with the decay, times the rate; velocity times momentum.
    copies = 4 if optimizer.decay else 3
    return {
        "weights": 4 * model.count_params(),
        "update": 4 * copies * sum(math.prod(w.shape) for w in weights),
        "optimizer state": 4 * sum(math.prod(v.shape) for v in optimizer.variables),
        "activations": images
        * sum(
            math.prod(output.shape[1:]) * tf.as_dtype(layer.compute_dtype).size
            for layer in model.layers
            for output in tf.nest.flatten(layer.output)
        ),
        "input": 4 * INPUT_BATCHES * batch * math.prod(model.input_shape[1:]),
    }


def _memory(model, recipe: Recipe, source, strategy, images, workers) -> list[tuple[str, str]]:
    """Rows of the plan: what a device holds, and what it has room for."""
    with strategy.scope():
        optimizer = build_optimizer(recipe)
        weights = model.trainable_variables  # which may have no values to place a state beside
        optimizer.build([keras.Variable("zeros", w.shape, w.dtype) for w in weights])
    parts = estimate_memory(model, optimizer, images, recipe.global_batch_size // workers)
    if kept := kept_bytes(source, recipe):
        parts["decoded images"] = kept
    each = ", ".join(f"{n} {b / 2**20:,.0f}" for n, b in parts.items())
    whole = hardware.memory_bytes(strategy)
    if kind_of_device(strategy) == "cpu":  # one memory for all devices here
        whole //= strategy.num_replicas_in_sync
    return [
        ("memory", f"about {sum(parts.values()) / 2**20:,.0f} MiB per device: {each}"),
        ("fits", estimate_batch(parts, images, recipe.global_batch_size, whole)),
    ]


def estimate_batch(parts: dict[str, int], images: int, batch: int, whole: int) -> str:
    """How many images a device's memory has room for; an estimate.

    Args:
        parts: Of `memory`, for the recipe's batch.
        images: That the device computes at a time then.
        batch: The recipe's.
        whole: Bytes of the device's memory; 0 if they are not known.
    """
    if not whole:
        return "not known: the GPUs' memory is not, without nvidia-smi"
    grows = sum(parts[name] for name in _OF_THE_BATCH)
    fixed, has = sum(parts.values()) - grows, f"{whole / 2**30:.1f} GiB"
    most = int((whole - fixed) * images // grows)
    if most < 1:
        return f"not one image beside weights and update, in {has} per device"
    most = int(float(f"{most:.1e}"))  # no more digits than it is worth
    return (
        f"about {most:,} images at a time in {has} per device, a batch of "
        f"{most * batch // images:,}; a rough estimate from the layers' outputs: on a CPU "
        "resnet18 took 0.6 and alexnet 1.4 times as much an image, GPUs were not measured"
    )


def images_per_second(model, recipe: Recipe, strategy, jit_compile: bool = False) -> float:
    """The speed of training steps on noise, measured on this machine."""
    values = TIMED_VALUES[kind_of_device(strategy)]
    batch = strategy.num_replicas_in_sync * max(1, values // math.prod(model.input_shape[1:]))
    batch = min(batch, recipe.global_batch_size)
    with strategy.scope():
        optimizer = build_optimizer(recipe)
        optimizer.build(model.trainable_variables)
    shape = (batch, *model.input_shape[1:])
    noise = np.random.default_rng(0).normal(size=shape).astype("float32")
    data = tf.data.Dataset.from_tensors((noise, np.zeros(batch, np.int64)))
    iterator = distribute(strategy, data.repeat())
    settings = {"global_batch_size": batch, "seed": 0, "jit_compile": jit_compile}
    run = TrainSteps(TrainStep(model, optimizer, recipe.loss, strategy, **settings))
    rates = [0.0] * (len(recipe.group_schedules) + 1)
    run(iterator, 0, [rates])
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < 1:
        run(iterator, 0, [rates] * 4)
        steps += 4
    return batch * steps / (time.perf_counter() - began)
