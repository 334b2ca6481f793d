"""One way of computing a network's training step, timed when it is told to.

A program of its own for launch.bench.bench_step, which starts one for each way and
lets them take turns:

    python -m launch.bench.step_child '{"kind": "bare", "name": "lenet5", ...}'

It first says what it is, one line of JSON. Then each line on stdin, a number of
seconds, is answered with what was done in them: images, CPU seconds, seconds.
The end of stdin is the end.
"""

import contextlib
import dataclasses
import functools
import io
import json
import os
import pathlib
import resource
import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import reproductions
from common.data import catalog
from common.data.resident import open_resident
from common.distribution import hardware
from common.distribution.hardware import peak_bytes
from common.distribution.strategy import make_strategy
from common.errors import RunError
from common.models.layer_table import layer_table
from common.recipes.recipe import Recipe
from common.training.loop import Job, Loop
from common.training.optimizers import build_optimizer
from common.training.run_record import Onlooker
from common.training.signals import Signals
from common.training.steps import repeat_bit_for_bit
from common.training.train_step import TrainStep
from launch.session.board import Board
from launch.session.plan import estimate_memory
from launch.session.setup import set_precision, training_statistics
from launch.session.watchdog import Watchdog
from launch.settings.overrides import apply
from launch.terminal.progress import Progress

MATRIX = 2048  # rows and columns of the matrices whose product is timed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """A network with its recipe's optimizer, and one batch of noise."""

    recipe: Recipe
    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    strategy: tf.distribute.Strategy
    images: np.ndarray
    labels: np.ndarray


def build(way: dict, strategy: tf.distribute.Strategy) -> Network:
    """The network that `way` names, for its batches."""
    paper, variant = reproductions.find(way["name"])
    batch = way["batch"]
    recipe = dataclasses.replace(
        apply(reproductions.load(paper).RECIPES[variant], way["changes"]),
        global_batch_size=batch,
        epochs=1,
        updates=None,
        before_epoch=None,
    )
    size, classes = recipe.image_size, recipe.num_classes
    with strategy.scope():
        model = reproductions.build_model(paper, variant, image_size=size, num_classes=classes)
        optimizer = build_optimizer(recipe)
        optimizer.build(model.trainable_variables)
    draws = np.random.default_rng(0)
    shape = (batch, size, size, recipe.channels)
    return Network(
        recipe=recipe,
        model=model,
        optimizer=optimizer,
        strategy=strategy,
        images=draws.normal(size=shape).astype("float32"),
        labels=draws.integers(classes, size=batch),
    )


class FromMemory(Loop):
    """The suite's loop; its batches are one, again and again."""

    def __init__(self, network: Network, job: Job, callbacks: list):
        self.batch = (network.images, network.labels)
        super().__init__(job, callbacks)

    def batches(self, skip_steps: int) -> tf.data.Dataset:
        """The network's noise, which nothing has to finish."""
        return tf.data.Dataset.from_tensors(self.batch).repeat()

    def _operations(self) -> list:
        return []


class Untested(Loop):
    """The suite's loop, one epoch after the other, without the tests."""

    def _finish_epoch(self, *_) -> None:
        self.state.epoch += 1


class Turns(keras.callbacks.Callback):
    """Ends a turn when its seconds are over, and awaits the next.

    The last of a training's callbacks: what the others take is in the turn.
    `begin` is called after the first call, whose time is the compiler's.
    """

    def __init__(self, images: int, begin: Callable[[], None]):
        super().__init__()
        self.images = images
        self.begin = begin
        self.until = None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """After the updates of one call."""
        if self.until is None:
            self.begin()
        elif time.monotonic() < self.until:
            return
        else:
            answer(self.began, (batch - self.before) * self.images)
        self.before = batch
        self.began, self.until = next_turn()


class Terminal(io.StringIO):
    """A screen on which the bar is redrawn."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def run_loop(network: Network, way: dict, empty: int) -> None:
    """As launch.session.training makes it: bar, log, TensorBoard, watchdog, checkpoints.

    In a turn there would be one checkpoint or none, by chance: what it takes
    is said before, and the bytes that were taken above `empty`.
    """
    batch = network.recipe.global_batch_size

    def begin():
        taken, began = peak_bytes(network.strategy) - empty, cpu_seconds()
        training.save()
        predicted = estimate_memory(
            network.model, network.optimizer, batch // way["devices"], batch
        )
        say(save_cpu=cpu_seconds() - began, bytes=taken, predicted=sum(predicted.values()))

    endless = types.SimpleNamespace(name="noise", splits={"train": 2**40})
    noise = types.SimpleNamespace(dataset=endless)
    job = _job(network, way, source=noise)
    with _callbacks(network, way) as (signals, callbacks):
        callbacks.append(Turns(batch, begin))
        training = FromMemory(network, job, callbacks)
        training.train(signals, lambda *_: None)


def run_real(network: Network, way: dict) -> None:
    """A training with its input, as launch.session.training makes it."""
    recipe = dataclasses.replace(network.recipe, epochs=2**20)
    source = _source(recipe, way)
    network = dataclasses.replace(network, recipe=recipe)
    statistics = training_statistics(source, recipe, lambda *_: None)
    job = _job(
        network,
        way,
        source=source,
        statistics=statistics,
        resident=open_resident(source, recipe, statistics, network.strategy),
    )
    with _callbacks(network, way) as (signals, callbacks):
        begin = functools.partial(say, data=source.dataset.title)
        callbacks.append(Turns(recipe.global_batch_size, begin))
        Untested(job, callbacks).train(signals, lambda *_: None)


def _source(recipe: Recipe, way: dict) -> Any:
    """Of --data or the recipe's images; sample where these are not at hand."""
    where = pathlib.Path(way["data_dir"])
    try:
        dataset = catalog.find(way["data"] or recipe.data, recipe.channels, where)
        return catalog.open_source(dataset, where)
    except RunError:
        if way["data"]:
            raise
        return catalog.open_source(catalog.find("sample", recipe.channels))


@contextlib.contextmanager
def _callbacks(network: Network, way: dict) -> Iterator[tuple[Signals, list]]:
    folder, batch = pathlib.Path(way["folder"]), way["batch"]
    with (
        open(folder / "log.txt", "a", buffering=1) as log,
        Signals() as signals,
        Watchdog(900) as watchdog,
    ):
        bar = Progress(log, images_per_step=batch, screen=Terminal())
        yield signals, [bar, Board(folder, "test"), watchdog]


def _job(network: Network, way: dict, *, source, statistics=None, resident=None) -> Job:
    return Job(
        recipe=network.recipe,
        source=source,
        statistics=statistics,
        resident=resident,
        model=network.model,
        optimizer=network.optimizer,
        strategy=network.strategy,
        run=Onlooker(pathlib.Path(way["folder"])),
        seed=0,
        microbatches=1,
        jit_compile=way["jit_compile"],
        checkpoint_seconds=2**40,
    )


def run_bare(network: Network, jit_compile: bool) -> None:
    """One update of common.training.train_step, called for each."""
    recipe, model = network.recipe, network.model
    size = recipe.global_batch_size
    step = TrainStep(
        model,
        network.optimizer,
        recipe.loss,
        network.strategy,
        global_batch_size=size,
        seed=0,
        jit_compile=jit_compile,
    )
    run = tf.function(step, jit_compile=jit_compile)
    batch = tf.constant(network.images), tf.constant(network.labels)
    number = tf.constant(0, tf.int64)
    rates = tf.zeros((len(recipe.group_schedules) + 1,))
    macs = sum(row.macs for row in layer_table(model))
    run(batch, number, rates)[0].numpy()
    facts = {"flop": 6 * macs, "bytes": peak_bytes(network.strategy)}
    take_turns(lambda: run(batch, number, rates)[0], size, **facts)


def run_fit(network: Network) -> None:
    """Keras's own loop with nothing on; XLA as Keras decides."""
    recipe, model = network.recipe, network.model

    def loss(labels, outputs):
        return recipe.loss(outputs, tf.cast(labels, tf.int64))  # from floats

    model.compile(network.optimizer, loss=loss)
    batch = (network.images, network.labels)
    model.fit(
        tf.data.Dataset.from_tensors(batch).repeat(),
        steps_per_epoch=2**40,
        callbacks=[Turns(recipe.global_batch_size, say)],
        verbose=0,
    )


def run_product(precision: str, device: str, name: str) -> None:
    """A matrix product on `device`; one is counted as one image."""
    draws = np.random.default_rng(0).normal(size=(2, MATRIX, MATRIX))
    dtype = precision.removeprefix("mixed_").replace("tensorfloat32", "float32")
    with tf.device(device):
        a, b = tf.cast(draws, dtype)
        product = tf.function(lambda: tf.reduce_sum(a @ b))
        take_turns(product, 1, flop=2 * MATRIX**3, device=name)


def take_turns(step: Callable, images: int, **facts: float) -> None:
    """Calls `step()`, which returns a tensor, for as long as each turn is."""
    step().numpy()
    say(**facts)
    while True:
        began, until = next_turn()
        done = 0
        while time.monotonic() < until:
            last = step()
            done += 1
        last.numpy()
        answer(began, done * images)


def next_turn() -> tuple[tuple[float, float], float]:
    """((CPU seconds, time) at its beginning, the time of its end)."""
    line = sys.stdin.readline()
    if not line:
        os._exit(0)  # from deep inside of a training, with nothing to keep
    now = time.monotonic()
    return (cpu_seconds(), now), now + float(line)


def answer(began: tuple[float, float], images: int) -> None:
    """Says what a turn took."""
    cpu, at = began
    seconds = time.monotonic() - at
    say(images=images, cpu=cpu_seconds() - cpu, seconds=seconds)


def say(**facts: float) -> None:
    """One line of JSON."""
    print(json.dumps(facts), flush=True)


def cpu_seconds() -> float:
    """User and system, of all threads of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(way: dict) -> None:
    """Computes as `way` says until stdin ends."""
    on_gpu = way["platform"] == "gpu"
    strategy = make_strategy(way["devices"], way["platform"])
    empty = 0 if on_gpu else peak_bytes(strategy)
    keras.utils.set_random_seed(0)
    if way["kind"] != "fit":
        repeat_bit_for_bit()
    set_precision(way["precision"], strategy)
    if way["kind"] == "product":
        facts = hardware.describe(strategy)
        name = facts.get("gpu", facts["processor"])
        run_product(way["precision"], strategy.extended.worker_devices[0], name)
    elif way["kind"] == "fit":
        with tf.device(strategy.extended.worker_devices[0]):
            run_fit(build(way, tf.distribute.get_strategy()))
    elif way["kind"] == "loop":
        run_loop(build(way, strategy), way, empty)
    elif way["kind"] == "run":
        run_real(build(way, strategy), way)
    else:
        run_bare(build(way, strategy), way["jit_compile"])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
