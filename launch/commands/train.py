"""`python -m launch NAME`: train, measure under the paper's views, record."""

import contextlib
import functools
import json
import logging
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable
from typing import TextIO

import keras
import tensorflow as tf

import reproductions
from common.data import catalog, pipeline
from common.data.dataset import DataSet
from common.data.diagnosis import explained
from common.data.resident import open_resident
from common.data.sources.subset import plan_subset, take_subset
from common.data.statistics import kept, save, statistics_for
from common.distribution import hardware
from common.distribution.batch_slice import per_replica_batch_size
from common.distribution.cluster import Cluster, from_environment
from common.distribution.collectives import Workers
from common.distribution.strategy import make_strategy, on_gpus
from common.errors import UsageError
from common.evaluation.inputs import require_fitting
from common.files import save_weights
from common.models.preprocessing import RECIPE, write
from common.models.weight_import import copy_layers
from common.recipes.recipe import Recipe, is_small
from common.training import checkpoints
from common.training.loop import Job, Loop
from common.training.optimizers import build_optimizer
from common.training.run_record import is_finished
from common.training.signals import Signals, Stopped
from common.training.steps import repeat_bit_for_bit
from launch.session.jit_policy import decided
from launch.session.out_of_memory import fitting
from launch.session.plan import arithmetic, parameters, print_plan
from launch.session.rendezvous import waiting
from launch.session.run_session import finish, identity_of, kind_of_device, open_record
from launch.session.watchdog import Watchdog
from launch.settings.options import Options
from launch.terminal.progress import Progress
from launch.terminal.quiet import quiet
from launch.weights.run_weights import STATISTICS, WEIGHTS, load_weights

STOPPED = {  # exit codes; SIGALRM is the end of --max_hours
    signal.SIGTERM: 75,
    signal.SIGALRM: 75,
    signal.SIGINT: 130,
}
STARTED = time.monotonic()


def run(paper: str, variant: str, options: Options) -> int:
    """Trains `variant` as `options` say; the process's exit code."""
    cluster = from_environment()
    if options.dry_run:  # the other hosts need not be there
        strategy = prepare_tensorflow(options)
        options, source = _decided(options, strategy), planned_data(options)
        tell_of(source.dataset)
        build = functools.partial(*(build_network, paper, variant, options.recipe, strategy))
        return print_plan(variant, options, source, build, strategy, cluster)
    if options.recover and cluster:
        raise UsageError(
            "--recover is for one process: of several hosts only the first "
            "has the checkpoints. Leave it out; the same command continues."
        )
    strategy = prepare_tensorflow(options, cluster)
    with Workers(strategy).watched():
        return train(paper, variant, options, strategy)


def train(paper: str, variant: str, options: Options, strategy) -> int:
    """The same on devices that are set up; first what it begins with."""
    if code := _train_before(paper, options, strategy):
        return code
    options = _decided(options, strategy)
    workers, source = Workers(strategy), open_data(options)
    recipe = options.recipe
    pipeline.updates(source, recipe)  # a batch must fit into it
    require_fitting(source, recipe, (*recipe.views, recipe.monitor))
    model = build_network(paper, variant, options.recipe, strategy)
    identity = identity_of(paper, variant, options, source)
    workers.require_same("command or data set", json.dumps(identity))
    if workers.chief:
        _begin_with(paper, options, model)
    record = open_record(workers, options, identity, strategy)
    try:
        with Signals(_seconds_left(options)) as signals:
            with workers.watched(), _log(workers, options.workdir) as log:
                _train(options, record, source, strategy, model, signals, log)
    except Stopped as stop:
        timed = stop.signum == signal.SIGALRM
        reason = "--max_hours" if timed else signal.Signals(stop.signum).name
        record.end_session(reason, status="stopped")
        if workers.chief:
            print(
                f"\nStopped at step {stop.step}; nothing before it is lost. "
                "The same command continues.",
                file=sys.stderr,
            )
        return STOPPED[stop.signum]
    except OSError as error:
        if error.filename is None:  # such as of the log
            error.filename = str(options.workdir)
        _failed(record, error)
        raise
    except BaseException as error:
        _failed(record, error)
        raise
    return 0


def _failed(record, error: BaseException) -> None:
    with contextlib.suppress(OSError):  # the disk may be what failed
        told = f"{type(error).__name__}: {error}"
        record.end_session(told, status="failed")


def _decided(options: Options, strategy) -> Options:
    platform = kind_of_device(strategy)
    devices = strategy.num_replicas_in_sync
    return decided(options, devices=devices, platform=platform)


def _seconds_left(options: Options) -> float | None:
    """Of --max_hours, which count from the start of the process."""
    if options.max_hours is None:
        return None
    return 3600 * options.max_hours - (time.monotonic() - STARTED)


def _train_before(paper: str, options: Options, strategy) -> int:
    """Trains what `options.before` says, unless that is done; exit code."""
    start, before = options.recipe.initialize_from, options.before
    if before is None:
        return 0
    identity = identity_of(paper, start.variant, before, open_data(before))
    workers = Workers(strategy)
    done = workers.chief and is_finished(before.workdir, identity)
    if workers.all_gather(int(done))[0, 0]:
        return 0
    if workers.chief:
        print(
            f"{start.variant} is trained first, in {before.workdir}: the "
            "recipe begins with its weights.",
            file=sys.stderr,
        )
    return train(paper, start.variant, before, strategy)


def _begin_with(paper: str, options: Options, model) -> None:
    """Copies the layers that the recipe takes from another network.

    For the chief, whose values all get: the other network is its alone.
    """
    start, before = options.recipe.initialize_from, options.before
    if before is None:
        return
    alone = tf.distribute.get_strategy()
    source = build_network(paper, start.variant, before.recipe, alone)
    load_weights(source, before.workdir / WEIGHTS, before.recipe)
    copy_layers(source, model, start.layers, start.renamed)


def _log(workers: Workers, workdir: pathlib.Path) -> TextIO:
    path = workdir / "log.txt" if workers.chief else os.devnull
    return open(path, "a", buffering=1)


def _train(options, record, source, strategy, model, signals, log) -> None:
    recipe, chief = options.recipe, Workers(strategy).chief
    progress = _progress(log, recipe, strategy, chief)
    with strategy.scope():
        optimizer = build_optimizer(recipe, loss_scaling=options.precision == "mixed_float16")
        optimizer.build(model.trainable_variables)
    statistics = training_statistics(source, recipe, signals.watched(progress.scanning))
    if statistics and chief:  # for predict, where the data may not be
        save(statistics, record.folder / STATISTICS)
    with explained(source, "train", recipe):
        resident = open_resident(source, recipe, statistics, strategy)
    job = Job(
        recipe=recipe,
        source=source,
        statistics=statistics,
        resident=resident,
        model=model,
        optimizer=optimizer,
        strategy=strategy,
        run=record,
        seed=options.seed,
        microbatches=options.microbatches,
        jit_compile=options.jit_compile,
        checkpoint_seconds=60 * options.checkpoint_minutes,
        recover=options.recover,
    )
    board = keras.callbacks.TensorBoard(record.folder / "tensorboard")
    watchdog = Watchdog(60 * options.stalled_minutes)
    chiefs = [progress, board] if chief else [progress]
    loop = Loop(job, [*chiefs, watchdog])
    if chief:
        checkpoints.require_room(record.folder, loop.variables)
    for line in _opening(options, source, strategy, model, loop):
        progress.say(line)
    with watchdog, fitting(options, strategy.num_replicas_in_sync):
        testing = watchdog.fed_by(progress.testing)
        loop.train(signals, testing)
        if chief:
            _save(record, recipe, loop)
        results = [loop.measure(v, signals, testing) for v in recipe.views]
    if chief:
        finish(record, recipe, loop.state, results, strategy, progress)


def _progress(log, recipe: Recipe, strategy, chief: bool) -> Progress:
    return Progress(
        log,
        images_per_step=recipe.global_batch_size,
        devices=strategy.num_replicas_in_sync,
        screen=sys.stderr if chief else log,
        measured="held-out" if recipe.held_out else "test",
    )


def _save(record, recipe, loop) -> None:
    """The final weights, before anything is measured with them."""
    model = loop.job.model
    model.optimizer = None  # its state is as large again, and in checkpoints
    with loop.tested_weights():
        save_weights(model, record.folder / WEIGHTS, lambda file: write(file, RECIPE, recipe))


def _opening(options, source, strategy, model, loop) -> list[str]:
    recipe, replicas = options.recipe, strategy.num_replicas_in_sync
    share = per_replica_batch_size(recipe.global_batch_size, replicas, options.microbatches)
    lines = [
        f"{model.name}: {parameters(model)}; "
        f"{source.dataset.title}; {loop.updates:,} updates, "
        f"{loop.steps_per_epoch:,} an epoch.",
        f"Batch {recipe.global_batch_size}: {replicas} device(s), {share} "
        f"images each at a time; {arithmetic(options)}. Written to "
        f"{options.workdir}.",
    ]
    lines += source.dataset.notes
    lines += [
        f"Deviation: {d.field}: {d.here}, not {d.paper} ({d.reason})."
        for d in recipe.deviations
        if d.reason.startswith("--")
    ]
    lines += [f"Ignored: {checkpoint}, a damaged checkpoint." for checkpoint in loop.ignored]
    if loop.resumed_from:
        lines.append(f"Continues from step {loop.resumed_from:,}.")
    return lines


def prepare_tensorflow(options: Options, cluster: Cluster | None = None) -> tf.distribute.Strategy:
    """Devices, precision and seeds of this process; its one strategy."""
    logging.getLogger("absl").setLevel(logging.ERROR)  # TFDS's deprecations
    gpus = options.gpus
    if gpus is None and options.platform == "auto" and is_small(options.recipe):
        gpus = 0  # which would spend their time starting kernels
    with waiting(cluster), quiet():
        strategy = make_strategy(gpus, options.platform, cluster)
        keras.utils.set_random_seed(options.seed)
    repeat_bit_for_bit()
    set_precision(options.precision, strategy)
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


def open_data(options: Options):
    """The source of the recipe's data; after the devices were chosen."""
    recipe, where = options.recipe, options.data_dir
    dataset = catalog.find(recipe.data, recipe.channels, where)
    source = catalog.open_source(dataset, where)
    cache = catalog.default_cache_dir()
    if dataset.name == "sample" and not source.where.startswith(cache):
        print(
            f"{cache} cannot be written: the sample is made for this command only.", file=sys.stderr
        )
    return take_subset(source, recipe)


def tell_of(dataset: DataSet) -> None:
    """Says what a person must know of the data, such as what is left out."""
    for note in dataset.notes:
        print(note, file=sys.stderr)


def planned_data(options: Options):
    """The same for a plan, which can do without the data."""
    recipe, where = options.recipe, options.data_dir
    dataset = catalog.find(recipe.data, recipe.channels, where)
    if catalog.is_missing(dataset, where):
        return catalog.NotHere(plan_subset(dataset, recipe))
    return open_data(options)


def training_statistics(source, recipe: Recipe, scanning: Callable):
    """What the recipe needs to know of the training set's pixels."""
    cache = catalog.default_cache_dir()
    with explained(source, "train", recipe):
        found = statistics_for(source, recipe, cache, scanning)
    if found and kept(source, recipe, cache) is None:
        print(
            f"\n{cache} cannot be written: the training set's mean is not kept for the next time.",
            file=sys.stderr,
        )
    return found


def build_network(paper: str, variant: str, recipe: Recipe, strategy) -> keras.Model:
    """The variant's network for the recipe's image size and classes."""
    with strategy.scope(), tf.variable_creator_scope(initialize_on_cpu):
        model = reproductions.build_model(
            paper, variant, image_size=recipe.image_size, num_classes=recipe.num_classes
        )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = recipe.synchronized_batch_norm
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
