"""`python -m launch NAME`: train, measure under the paper's views, record."""

import contextlib
import dataclasses
import logging
import os
import pathlib
import signal
import sys
from collections.abc import Callable
from typing import TextIO

import keras
import tensorflow as tf

import reproductions
from common.batch_slice import per_replica_batch_size
from common.data import catalog
from common.data.diagnosis import explained
from common.data.held_out import HeldOut
from common.data.statistics import save, statistics_for
from common.described import describe, recipe_hash
from common.optimizers import build_optimizer
from common.recipe import Recipe
from common.runs import Run, is_finished, now, open_run, session_facts
from common.signals import Signals, Stopped
from common.steps import repeat_bit_for_bit
from common.strategy import make_strategy
from common.training import Job, Loop
from common.weights import copy_layers
from launch.options import Options
from launch.plan import parameters, print_plan
from launch.progress import Progress
from launch.quiet import quiet
from launch.results_table import results_table
from launch.trained import STATISTICS, WEIGHTS

REPOSITORY = pathlib.Path(__file__).parents[1]
STOPPED = {signal.SIGTERM: 75, signal.SIGINT: 130}  # exit codes


def run(paper: str, variant: str, options: Options) -> int:
    """Trains `variant` as `options` say; the process's exit code."""
    strategy = prepare_tensorflow(options)
    if options.dry_run:
        source = open_data(options)
        model = build_network(paper, variant, options.recipe, strategy)
        return print_plan(variant, options, source, model, strategy)
    return train(paper, variant, options, strategy)


def train(paper: str, variant: str, options: Options, strategy) -> int:
    """The same on devices that are set up; first what it begins with."""
    if code := _train_before(paper, options, strategy):
        return code
    recipe = options.recipe
    source = open_data(options)
    model = build_network(paper, variant, recipe, strategy)
    _begin_with(paper, options, model, strategy)
    record = open_run(
        options.workdir,
        _identity(paper, variant, options, source),
        _session(options, strategy),
    )
    try:
        with Signals() as signals, _log(options.workdir) as log:
            _train(options, record, source, strategy, model, signals, log)
    except Stopped as stop:
        record.end_session(signal.Signals(stop.signum).name, status="stopped")
        print(
            f"\nStopped at step {stop.step}; nothing before it is lost. The "
            "same command continues.",
            file=sys.stderr,
        )
        return STOPPED[stop.signum]
    except BaseException as error:
        with contextlib.suppress(OSError):  # the disk may be what failed
            record.end_session(
                f"{type(error).__name__}: {error}", status="failed"
            )
        raise
    return 0


def _train_before(paper: str, options: Options, strategy) -> int:
    """Trains what `options.before` says, unless that is done; exit code."""
    start, before = options.recipe.initialize_from, options.before
    if before is None:
        return 0
    identity = _identity(paper, start.variant, before, open_data(before))
    if is_finished(before.workdir, identity):
        return 0
    print(
        f"{start.variant} is trained first, in {before.workdir}: the recipe "
        "begins with its weights.",
        file=sys.stderr,
    )
    return train(paper, start.variant, before, strategy)


def _begin_with(paper: str, options: Options, model, strategy) -> None:
    """Copies the layers that the recipe takes from another network."""
    start, before = options.recipe.initialize_from, options.before
    if before is None:
        return
    source = build_network(paper, start.variant, before.recipe, strategy)
    source.load_weights(before.workdir / WEIGHTS)
    copy_layers(source, model, start.layers)


def _log(workdir: pathlib.Path) -> TextIO:
    return open(workdir / "log.txt", "a", buffering=1)


def _train(options, record, source, strategy, model, signals, log) -> None:
    recipe = options.recipe
    progress = Progress(log, images_per_step=recipe.global_batch_size)
    with strategy.scope():
        optimizer = build_optimizer(recipe)
        optimizer.build(model.trainable_variables)
    statistics = training_statistics(
        source, recipe, signals.watched(progress.scanning)
    )
    if statistics:  # for predict, where the data may not be
        save(statistics, record.folder / STATISTICS)
    job = Job(
        recipe=recipe,
        source=source,
        statistics=statistics,
        model=model,
        optimizer=optimizer,
        strategy=strategy,
        run=record,
        seed=options.seed,
        microbatches=options.microbatches,
        jit_compile=options.jit_compile,
        checkpoint_seconds=60 * options.checkpoint_minutes,
    )
    tensorboard = keras.callbacks.TensorBoard(record.folder / "tensorboard")
    loop = Loop(job, [progress, tensorboard])
    for line in _opening(options, source, strategy, model, loop):
        progress.say(line)
    state = loop.train(signals, progress.testing)
    results = [
        loop.measure(view, signals, progress.testing) for view in recipe.views
    ]
    with loop.tested_weights():
        model.save_weights(record.folder / WEIGHTS)
    _finish(record, recipe, state, results, progress)


def _opening(options, source, strategy, model, loop) -> list[str]:
    recipe, replicas = options.recipe, strategy.num_replicas_in_sync
    share = per_replica_batch_size(
        recipe.global_batch_size, replicas, options.microbatches
    )
    lines = [
        f"{model.name}: {parameters(model)}; "
        f"{source.dataset.title}; {loop.updates:,} updates, "
        f"{loop.steps_per_epoch:,} an epoch.",
        f"Batch {recipe.global_batch_size}: {replicas} device(s), {share} "
        f"images each at a time. Written to {options.workdir}.",
    ]
    lines += [
        f"Deviation: {d.field}: {d.here}, not {d.paper} ({d.reason})."
        for d in recipe.deviations
        if d.reason.startswith("--")
    ]
    if loop.resumed_from:
        lines.append(f"Continues from step {loop.resumed_from:,}.")
    return lines


def _finish(record: Run, recipe, state, results, progress: Progress) -> None:
    images = state.step * recipe.global_batch_size
    record.end_session(
        "finished",
        status="finished",
        finished=now(),
        epochs=state.epoch,
        train_seconds=round(state.seconds, 1),
        images_per_second=round(images / state.seconds, 1),
        results=[dataclasses.asdict(result) for result in results],
    )
    for line in results_table(record.record, state.history):
        progress.say(line)


def prepare_tensorflow(options: Options) -> tf.distribute.Strategy:
    """Devices, precision and seeds of this process; its one strategy."""
    logging.getLogger("absl").setLevel(logging.ERROR)  # TFDS's deprecations
    with quiet():
        strategy = make_strategy(options.gpus, options.platform)
        keras.utils.set_random_seed(options.seed)
    repeat_bit_for_bit()
    keras.mixed_precision.set_global_policy(options.precision)
    return strategy


def open_data(options: Options):
    """The source of the recipe's data; after the devices were chosen."""
    recipe, where = options.recipe, options.data_dir
    dataset = catalog.find(recipe.data, recipe.channels, where)
    source = catalog.open_source(dataset, where)
    return HeldOut(source, recipe.held_out) if recipe.held_out else source


def training_statistics(source, recipe: Recipe, scanning: Callable):
    """What the recipe needs to know of the training set's pixels."""
    with explained(source, "train", recipe):
        return statistics_for(
            source, recipe, catalog.default_cache_dir(), scanning
        )


def build_network(
    paper: str, variant: str, recipe: Recipe, strategy
) -> keras.Model:
    """The variant's network for the recipe's image size and classes."""
    with strategy.scope():
        model = reproductions.load(paper).build_model(
            variant,
            image_size=recipe.image_size,
            num_classes=recipe.num_classes,
        )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = recipe.synchronized_batch_norm
    return model


def _identity(paper, variant, options: Options, source) -> dict:
    recipe = options.recipe
    return {
        "paper": paper,
        "variant": variant,
        "recipe": describe(dataclasses.replace(recipe, deviations=())),
        "recipe_hash": recipe_hash(recipe),
        "deviations": describe(recipe.deviations),
        "seed": options.seed,
        "data": source.fingerprint(),
        "data_title": source.dataset.title,
        "class_names": list(source.class_names()),
        "precision": options.precision,
    }


def _kind_of_device(strategy) -> str:
    device = strategy.extended.worker_devices[0]
    return tf.DeviceSpec.from_string(device).device_type.lower()


def _session(options: Options, strategy) -> dict:
    return session_facts(
        REPOSITORY,
        devices=strategy.num_replicas_in_sync,
        platform=_kind_of_device(strategy),
        jit_compile=options.jit_compile,
        microbatches=options.microbatches,
        cores=os.cpu_count(),
    )
