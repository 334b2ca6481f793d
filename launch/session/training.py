"""One training: its network is trained, measured under the paper's views, and recorded."""

import contextlib
import json
import os
import signal
import sys
import time
from typing import TextIO

import keras
import tensorflow as tf

from common.data import pipeline
from common.data.diagnosis import explained
from common.data.resident import open_resident
from common.data.statistics import save
from common.distribution.batch_slice import per_replica_batch_size
from common.distribution.cluster import from_environment
from common.distribution.collectives import Workers
from common.errors import UsageError
from common.evaluation.inputs import require_fitting
from common.models.weight_import import copy_layers
from common.recipes.recipe import Override
from common.recipes.serialization import spell
from common.training import checkpoints
from common.training.loop import Job, Loop
from common.training.optimizers import build_optimizer
from common.training.run_record import Run, is_finished
from common.training.signals import Signals, Stopped
from launch.session.board import Board
from launch.session.jit_policy import decide
from launch.session.plan import count_parameters, describe_arithmetic, print_plan
from launch.session.results_table import next_commands
from launch.session.run_session import (
    KeepBest,
    finish,
    go_on,
    identify,
    kind_of_device,
    open_record,
    save_tested,
)
from launch.session.setup import (
    build_network,
    explain_memory,
    open_data,
    plan_data,
    prepare_tensorflow,
    show_notes,
    training_statistics,
)
from launch.session.starting_weights import begin, describe_start, settle, statistics_of_weights
from launch.session.watchdog import Watchdog
from launch.settings.options import Training
from launch.terminal.display import epochs
from launch.terminal.exits import as_called, code_of_signal
from launch.terminal.progress import Progress
from launch.weights.run_weights import STATISTICS, WEIGHTS, load_weights

REASONS = {
    signal.SIGTERM: "SIGTERM",
    signal.SIGALRM: "--max_hours",
    signal.SIGINT: "SIGINT",
}
STARTED = time.monotonic()


def plan(training: Training, *, timed: bool = False) -> int:
    """Prints what the training would do and cost; exit code 0. Writes nothing.

    Args:
        timed: Whether its steps are timed.
    """
    cluster = from_environment()  # whose other hosts need not be there
    recipe, seed = training.experiment.recipe, training.settings.seed
    strategy = prepare_tensorflow(training.devices, recipe, seed)
    source = plan_data(training.experiment)
    show_notes(source.dataset)
    training = _settle(training, source, strategy)
    return print_plan(training, source, strategy, cluster, timed=timed)


def run(training: Training) -> int:
    """Trains, on all hosts of the cluster if there is one; the process's exit code."""
    cluster, settings = from_environment(), training.settings
    if settings.recover and cluster:
        raise UsageError(
            "--recover is for one process: of several hosts only the first "
            "has the checkpoints. Leave it out; the same command continues."
        )
    recipe = training.experiment.recipe
    strategy = prepare_tensorflow(training.devices, recipe, settings.seed, cluster)
    with Workers(strategy).watched():
        code = train(training, strategy)
    if not code and Workers(strategy).chief:
        print(as_called("\n".join(next_commands(settings.workdir))), file=sys.stderr)
    return code


def train(training: Training, strategy) -> int:
    """Trains on a prepared strategy; if the recipe starts from another network, that one first."""
    if code := _train_before(training, strategy):
        return code
    source = open_data(training.experiment)
    training = _settle(training, source, strategy)
    experiment, settings = training.experiment, training.settings
    workers, recipe = Workers(strategy), experiment.recipe
    updates = pipeline.updates(source, recipe)  # a batch must fit into it
    require_fitting(source, recipe, (*recipe.views, recipe.monitor))
    # Again: the first sample images, or another network before, have drawn from Python's.
    keras.utils.set_random_seed(settings.seed)
    model = build_network(experiment, strategy)
    identity = identify(training, source)
    workers.require_same("command or data set", json.dumps(identity))
    if workers.chief and not _has_begun(training):
        if training.before:
            _begin_with(training, model)
        if training.weights:
            begin(training, model)
    record = open_record(workers, training, identity, strategy, updates)
    seconds = None
    if settings.max_hours is not None:  # counted from this module's import, after TensorFlow's
        seconds = 3600 * settings.max_hours - (time.monotonic() - STARTED)
    log = settings.workdir / "log.txt" if workers.chief else os.devnull
    try:
        with Signals(seconds) as signals:
            with workers.watched(), open(log, "a", buffering=1) as lines:
                _train(training, record, source, strategy, model, signals, lines)
    except Stopped as stop:
        record.break_off(REASONS[stop.signum], "stopped")
        if workers.chief:
            print(
                f"\nStopped at step {stop.step}; nothing before it is lost. "
                "The same command continues.",
                file=sys.stderr,
            )
        return code_of_signal(stop.signum)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:  # such as of the log
            error.filename = str(settings.workdir)
        with contextlib.suppress(OSError):  # the disk may be what failed
            record.break_off(f"{type(error).__name__}: {error}", "failed")
        raise
    return 0


def _settle(training: Training, source, strategy) -> Training:
    """The training with what its devices, its data and its weights decide."""
    replicas, platform = strategy.num_replicas_in_sync, kind_of_device(strategy)
    return settle(decide(training, replicas=replicas, platform=platform), source)


def _train_before(training: Training, strategy) -> int:
    """Trains what the recipe begins with, unless that is done; exit code."""
    before = training.before
    if before is None:
        return 0
    workers, workdir = Workers(strategy), before.settings.workdir
    identity = identify(before, open_data(before.experiment))
    done = workers.chief and (_has_begun(training) or is_finished(workdir, identity))
    if workers.all_gather(int(done))[0, 0]:
        return 0
    if workers.chief:
        print(
            f"{before.experiment.variant} is trained first, in {workdir}: the "
            "recipe begins with its weights.",
            file=sys.stderr,
        )
    return train(before, strategy)


def _has_begun(training: Training) -> bool:
    """Whether its own checkpoints hold by now what it began with."""
    return bool(checkpoints.newest_first(training.settings.workdir / "checkpoints"))


def _begin_with(training: Training, model: keras.Model) -> None:
    """Copies the layers that the recipe takes from another network.

    For the chief, whose values all get: the other network is its alone.
    """
    start, before = training.experiment.recipe.initialize_from, training.before
    source = build_network(before.experiment, tf.distribute.get_strategy())
    load_weights(source, before.settings.workdir / WEIGHTS, before.experiment.recipe)
    copy_layers(source, model, start.layers, start.renamed)


def _train(
    training: Training, record: Run, source, strategy, model, signals: Signals, log: TextIO
) -> None:
    recipe, settings = training.experiment.recipe, training.settings
    devices, chief = training.devices, Workers(strategy).chief
    progress = Progress(
        log,
        images_per_step=recipe.global_batch_size,
        devices=strategy.num_replicas_in_sync,
        screen=sys.stderr if chief else log,
        measured="held-out" if recipe.held_out else "test",
    )
    with strategy.scope():
        optimizer = build_optimizer(recipe, loss_scaling=devices.precision == "mixed_float16")
        optimizer.build(model.trainable_variables)
    statistics = statistics_of_weights(training) or training_statistics(
        source, recipe, signals.watched(progress.counting.scanning)
    )
    if statistics and chief:  # for predict, where the data may not be
        save(statistics, record.folder / STATISTICS)
    with explained(source, "train", recipe):
        resident = open_resident(
            source, recipe, statistics, strategy, jit_compile=devices.jit_compile
        )
    job = Job(
        recipe=recipe,
        source=source,
        statistics=statistics,
        resident=resident,
        model=model,
        optimizer=optimizer,
        strategy=strategy,
        run=record,
        seed=settings.seed,
        microbatches=settings.microbatches,
        jit_compile=devices.jit_compile,
        checkpoint_seconds=60 * settings.checkpoint_minutes,
        recover=settings.recover,
    )
    best = [KeepBest(record, recipe)] * (chief and settings.keep_best)
    board = Board(record.folder, "held_out" if recipe.held_out else "test")
    watchdog = Watchdog(60 * settings.stalled_minutes)
    loop = Loop(job, [progress, *best, *[board] * chief, watchdog])
    happened = go_on(record, loop)
    if chief:
        checkpoints.require_room(record.folder, loop.variables)
    for line in _opening(training, source, strategy, model, loop, happened):
        progress.say(line)
    with watchdog, explain_memory(recipe, strategy.num_replicas_in_sync, settings.microbatches):
        for keeper in best:
            keeper.resume(loop.state)
        testing = watchdog.fed_by(progress.counting.testing)
        loop.train(signals, testing)
        if loop.ended_early:
            progress.say(f"Ended early: no lower held-out error for {epochs(recipe.patience)}.")
        if chief:  # before anything is measured with them
            save_tested(record.folder / WEIGHTS, record.record["variant"], recipe, model)
        results = [loop.measure(view, signals, testing) for view in recipe.views]
    if chief:
        finish(record, recipe, loop, results, strategy, progress)


def _opening(
    training: Training, source, strategy, model: keras.Model, loop: Loop, happened: list[Override]
) -> list[str]:
    """What is said before the first step; `happened` are the run's overrides that no flag set."""
    recipe, replicas = training.experiment.recipe, strategy.num_replicas_in_sync
    settings = training.settings
    share = per_replica_batch_size(recipe.global_batch_size, replicas, settings.microbatches)
    lines = [
        f"{model.name}: {count_parameters(model)}; {source.dataset.title}; "
        f"{loop.updates:,} updates, {loop.steps_per_epoch:,} an epoch.",
        f"Batch {recipe.global_batch_size}: {replicas} device(s), {share} images each at a time; "
        f"{describe_arithmetic(training.devices)}. Written to {settings.workdir}.",
        *source.dataset.notes,
        *(f"{name.capitalize()}: {value}." for name, value in describe_start(training, model)),
    ]
    for one in (*recipe.overrides, *happened):
        also = ", and the sizes of the transforms with it" * (one.field == "image_size")
        lines.append(f"Deviation: {one.field}: {spell(one.new)}, not {spell(one.old)}{also}.")
    lines += [f"Ignored: {checkpoint}, a damaged checkpoint." for checkpoint in loop.ignored]
    if loop.resumed_from:
        lines.append(f"Continues from step {loop.resumed_from:,}.")
    if loop.is_over():
        lines.append(f"Nothing is left to train: {loop.end()} is its end.")
    return lines
