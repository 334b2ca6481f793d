"""One way of computing a network's training step, timed when it is told to.

A program of its own for launch.bench_step, which starts one for each way and
lets them take turns:

    python -m launch.bench_steps '{"kind": "bare", "name": "lenet5", ...}'

It first says what it is, one line of JSON. Then each line on stdin, a number of
seconds, is answered with what was done in them: images, CPU seconds, seconds.
The end of stdin is the end.
"""

import dataclasses
import io
import json
import os
import pathlib
import resource
import sys
import time
import types
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

import reproductions
from common.job import Job
from common.layer_table import layer_table
from common.optimizers import build_optimizer
from common.recipe import Recipe
from common.runs import Onlooker
from common.signals import Signals
from common.steps import repeat_bit_for_bit
from common.strategy import make_strategy
from common.train_step import TrainStep
from common.training import Loop
from launch.plan import memory
from launch.progress import Progress
from launch.watchdog import Watchdog

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


def build(name: str, batch: int, strategy: tf.distribute.Strategy) -> Network:
    """The network of `name`, for batches of `batch`."""
    paper, variant = reproductions.find(name)
    module = reproductions.load(paper)
    recipe = dataclasses.replace(
        module.RECIPES[variant],
        global_batch_size=batch,
        epochs=1,
        updates=None,
        before_epoch=None,
    )
    size, classes = recipe.image_size, recipe.num_classes
    with strategy.scope():
        model = module.build_model(
            variant, image_size=size, num_classes=classes
        )
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
    """As launch.train makes it: bar, log, TensorBoard, watchdog, checkpoints.

    In a turn there would be one checkpoint or none, by chance: what it takes
    is said before, and the bytes that were taken above `empty`.
    """
    batch, job = network.recipe.global_batch_size, _job(network, way)
    folder = job.run.folder

    def begin():
        taken, began = peak() - empty, cpu_seconds()
        training.save()
        predicted = memory(
            network.model, network.optimizer, batch // way["devices"], batch
        )
        say(
            save_cpu=cpu_seconds() - began,
            bytes=taken,
            predicted=sum(predicted.values()),
        )

    with (
        open(folder / "log.txt", "a", buffering=1) as log,
        Signals() as signals,
    ):
        bar = Progress(log, images_per_step=batch, screen=Terminal())
        board = keras.callbacks.TensorBoard(folder / "tensorboard")
        with Watchdog(900) as watchdog:
            callbacks = [bar, board, watchdog, Turns(batch, begin)]
            training = FromMemory(network, job, callbacks)
            training.train(signals, lambda *_: None)


def _job(network: Network, way: dict) -> Job:
    endless = types.SimpleNamespace(name="noise", splits={"train": 2**40})
    return Job(
        recipe=network.recipe,
        source=types.SimpleNamespace(dataset=endless),
        statistics=None,
        resident=None,
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
    """One update of common.train_step, called for each."""
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
    take_turns(lambda: run(batch, number, rates)[0], size, flop=6 * macs)


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


def run_product(dtype: str) -> None:
    """A matrix product; one is counted as one image."""
    draws = np.random.default_rng(0).normal(size=(2, MATRIX, MATRIX))
    a, b = tf.cast(draws, dtype)
    product = tf.function(lambda: tf.reduce_sum(a @ b))
    take_turns(product, 1, flop=2 * MATRIX**3)


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


def peak() -> int:
    """The most bytes that this process has had in memory."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(way: dict) -> None:
    """Computes as `way` says until stdin ends."""
    empty = peak()
    if way["kind"] == "product":
        run_product(way["precision"])
        return
    keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy(way["precision"])
    if way["kind"] == "fit":
        here = tf.distribute.get_strategy()
        run_fit(build(way["name"], way["batch"], here))
        return
    repeat_bit_for_bit()
    strategy = make_strategy(way["devices"], "cpu")
    network = build(way["name"], way["batch"], strategy)
    if way["kind"] == "loop":
        run_loop(network, way, empty)
    else:
        run_bare(network, way["jit_compile"])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
