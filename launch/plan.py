"""`--dry_run`: what a run would do and cost, before it starts."""

import math
import time

import keras
import numpy as np
import tensorflow as tf

from common.batch_slice import per_replica_batch_size
from common.data import pipeline
from common.layer_table import layer_table, totals
from common.optimizers import build_optimizer
from common.recipe import Recipe
from common.steps import MAX_UPDATES, distribute, make_train_steps
from launch.options import Options
from launch.progress import duration

TIMED_IMAGES = 8  # per device, in the steps that the time is estimated from


def print_plan(
    variant: str, options: Options, source, model, strategy, cluster=None
) -> int:
    """Prints the plan; exit code 0. Writes nothing."""
    for name, value in plan(variant, options, source, model, strategy, cluster):
        print(f"{name:<14}{value}")
    return 0


def plan(
    variant: str, options: Options, source, model, strategy, cluster=None
) -> list[tuple[str, str]]:
    """(what, value) rows; `strategy` is one worker's of `cluster`."""
    recipe, local = options.recipe, strategy.num_replicas_in_sync
    workers = cluster.workers if cluster else ("this process",)
    replicas = len(workers) * local
    share = per_replica_batch_size(
        recipe.global_batch_size, replicas, options.microbatches
    )
    rows = [
        ("network", f"{variant}, {parameters(model)}"),
        ("data", f"{source.dataset.title} {source.where}"),
        ("devices", ", ".join(strategy.extended.worker_devices)),
        ("workers", f"{len(workers)}: {', '.join(workers)}"),
        (
            "batch",
            f"{recipe.global_batch_size} = "
            f"{len(workers)} workers x {local} devices x "
            f"{options.microbatches} microbatches x {share} images",
        ),
        ("memory", f"about {memory(model, share) / 2**30:.1f} GiB per device"),
        *cost(recipe, source, model, strategy, len(workers)),
        ("views", ", ".join(recipe.views)),
        ("written to", str(options.workdir)),
    ]
    start = recipe.initialize_from
    if start is not None:
        where = options.before.workdir
        text = f"{start.layers} of {start.variant}, trained first, in {where}"
        rows.append(("begins with", text))
    return rows + [
        ("deviation", f"{d.field}: {d.here}; paper: {d.paper}")
        for d in recipe.deviations
    ]


def parameters(model: keras.Model) -> str:
    """Trainable ones of the main path, then those that only train it."""
    rows = layer_table(model)
    main, whole = totals(rows).params, sum(row.params for row in rows)
    text = f"{main:,} parameters"
    if whole == main:
        return text
    return f"{text}; {whole - main:,} more in auxiliary heads"


def cost(
    recipe: Recipe, source, model: keras.Model, strategy, workers: int = 1
) -> list[tuple[str, str]]:
    """Steps, arithmetic and time: rows of the plan."""
    per_epoch = pipeline.steps_per_epoch(source, recipe)
    updates = pipeline.updates(source, recipe)
    images = updates * recipe.global_batch_size
    rows = layer_table(model)
    trained = sum(row.macs for row in rows)  # with auxiliary heads
    speed = workers * images_per_second(model, recipe, strategy)
    return [
        (
            "steps",
            f"{updates / per_epoch:.4g} epochs x {per_epoch:,} = {updates:,}; "
            f"{images:,} images",
        ),
        (
            "arithmetic",
            f"{totals(rows).macs:,} multiply-accumulates per image forward, "
            f"about {6 * trained * images:.2g} FLOP in all",
        ),
        (
            "time",
            f"about {duration(images / speed)} at {speed:,.0f} images/s, timed "
            "just now; input, tests and the network between hosts come on top",
        ),
    ]


def memory(model: keras.Model, images: int) -> int:
    """Bytes: weights, gradients, momentum, and activations for the gradient."""
    activations = sum(
        math.prod(layer.output.shape[1:]) for layer in model.layers
    )
    return 4 * (3 * model.count_params() + images * activations)


def images_per_second(model, recipe: Recipe, strategy) -> float:
    """The speed of training steps on noise, measured on this machine."""
    batch = TIMED_IMAGES * strategy.num_replicas_in_sync
    batch = min(batch, recipe.global_batch_size)
    with strategy.scope():
        optimizer = build_optimizer(recipe)
        optimizer.build(model.trainable_variables)
    shape = (batch, *model.input_shape[1:])
    noise = np.random.default_rng(0).normal(size=shape).astype("float32")
    data = tf.data.Dataset.from_tensors((noise, np.zeros(batch, np.int64)))
    iterator = distribute(strategy, data.repeat())
    run = make_train_steps(
        model,
        optimizer,
        recipe.loss,
        strategy,
        global_batch_size=batch,
        seed=0,
    )
    step = tf.constant(0, tf.int64)
    rates = tf.zeros((MAX_UPDATES, len(recipe.group_schedules) + 1))
    run(iterator, step, tf.constant(1), rates)
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < 1:
        run(iterator, step, tf.constant(4), rates)
        steps += 4
    return batch * steps / (time.perf_counter() - began)
