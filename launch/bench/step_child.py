"""One way of computing a network's training step, timed when it is told to.

A program of its own for launch.bench.bench_step, which starts one for each way and
lets them take turns:

    python -m launch.bench.step_child '{"kind": "bare", "name": "lenet5", ...}'

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
from common.data import catalog
from common.data.resident import open_resident
from common.distribution import hardware
from common.distribution.hardware import peak_bytes
from common.distribution.strategy import make_strategy, on_gpus
from common.models.layer_table import layer_table
from common.recipes.recipe import Recipe
from common.training.loop import Job, Loop
from common.training.optimizers import build_optimizer
from common.training.run_record import Onlooker
from common.training.signals import Signals
from common.training.steps import repeat_bit_for_bit
from common.training.train_step import TrainStep
from launch.bench.rows import find_data
from launch.session.board import Board
from launch.session.plan import estimate_memory
from launch.session.setup import build_network, set_precision, training_statistics
from launch.session.watchdog import Watchdog
from launch.settings.options import Experiment
from launch.settings.overrides import apply
from launch.terminal.progress import Progress

# Rows and columns of the matrices whose product is timed: a GPU has done with those of a CPU in
# the time in which its next operation is started.
MATRIX = {"cpu": 2048, "gpu": 8192}
WAITS = 8  # in a turn, at least


def build(way: dict, strategy: tf.distribute.Strategy) -> Job:
    """The training of the network that `way` names, endless and on noise, in its batches."""
    paper, variant = reproductions.find(way["name"])
    recipe = dataclasses.replace(
        apply(reproductions.load(paper).RECIPES[variant], way["changes"]),
        global_batch_size=way["batch"],
        epochs=2**20,
        updates=None,
        before_epoch=None,
    )
    asked = Experiment(paper=paper, variant=variant, recipe=recipe, data_dir=pathlib.Path())
    model = build_network(asked, strategy)
    with strategy.scope():
        optimizer = build_optimizer(recipe)
        optimizer.build(model.trainable_variables)
    splits = {"train": 2**40, "test": 1}
    noise = types.SimpleNamespace(name="noise", splits=splits, test_split="test")
    return Job(
        recipe=recipe,
        source=types.SimpleNamespace(dataset=noise),
        statistics=None,
        resident=None,
        model=model,
        optimizer=optimizer,
        strategy=strategy,
        run=Onlooker(pathlib.Path(way["folder"])),
        seed=0,
        microbatches=1,
        jit_compile=way["jit_compile"],
        checkpoint_seconds=2**40,
    )


def draw_noise(recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """(images, labels) of one batch."""
    draws, size = np.random.default_rng(0), recipe.image_size
    shape = (recipe.global_batch_size, size, size, recipe.channels)
    images = draws.normal(size=shape).astype("float32")
    return images, draws.integers(recipe.num_classes, size=len(images))


class Untested(Loop):
    """The suite's loop, one epoch after the other, without the tests."""

    def _finish_epoch(self, *_) -> None:
        self.state.epoch += 1


class FromMemory(Loop):
    """The suite's loop; its batches are one, again and again, which nothing has to finish."""

    def batches(self, skip_steps: int) -> tf.data.Dataset:
        """Of noise; bytes for a GPU, to which runs send them, where Keras makes float32 of them."""
        images, labels = draw_noise(self.job.recipe)
        if on_gpus(self.job.strategy):
            images = (images > 0).astype("uint8")
        return tf.data.Dataset.from_tensors((images, labels)).repeat()

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
        self.began, self.until = await_turn()


class Terminal(io.StringIO):
    """A screen on which the bar is redrawn."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def run_loop(job: Job, way: dict, empty: int) -> None:
    """As launch.session.training makes it: bar, log, TensorBoard, watchdog, checkpoints.

    A "run" has its own input, a "loop" one batch in memory. In a turn there
    would be one checkpoint or none, by chance: what it takes is said before,
    and the bytes that were taken above `empty`.
    """
    recipe, batch, kind = job.recipe, way["batch"], FromMemory
    if way["kind"] == "run":
        kind, data_dir = Untested, way["data_dir"]
        dataset = find_data(way["data"], recipe.data, recipe.channels, data_dir)
        source = catalog.open_source(dataset, data_dir)
        statistics = training_statistics(source, recipe, lambda *_: None)
        resident = open_resident(
            source, recipe, statistics, job.strategy, jit_compile=job.jit_compile
        )
        job = dataclasses.replace(job, source=source, statistics=statistics, resident=resident)

    def begin() -> None:
        if kind is Untested:
            return say(data=source.dataset.title)
        taken, began = peak_bytes(job.strategy) - empty, cpu_seconds()
        training.save()
        took, share = cpu_seconds() - began, batch // way["devices"]
        parts = estimate_memory(job.model, job.optimizer, share, batch)
        say(save_cpu=took, bytes=taken, predicted=sum(parts.values()))

    folder = job.run.folder
    with (
        open(folder / "log.txt", "a", buffering=1) as log,
        Signals() as signals,
        Watchdog(900) as watchdog,
    ):
        bar = Progress(log, images_per_step=batch, screen=Terminal())
        training = kind(job, [bar, Board(folder, "test"), watchdog, Turns(batch, begin)])
        training.train(signals, lambda *_: None)


def run_bare(job: Job) -> None:
    """One update of common.training.train_step, called for each."""
    recipe, model, size = job.recipe, job.model, job.recipe.global_batch_size
    step = TrainStep(
        model,
        job.optimizer,
        recipe.loss,
        job.strategy,
        global_batch_size=size,
        seed=0,
        jit_compile=job.jit_compile,
    )
    run = tf.function(step.update, jit_compile=job.jit_compile)
    batch = tuple(map(tf.constant, draw_noise(recipe)))
    number = tf.constant(0, tf.int64)
    rates = tf.zeros((len(recipe.group_schedules) + 1,))
    macs = sum(row.macs for row in layer_table(model))
    began = time.monotonic()
    run(batch, number, rates)[0].numpy()
    facts = {"flop": 6 * macs, "first": time.monotonic() - began}
    facts["bytes"] = peak_bytes(job.strategy)
    take_turns(lambda: run(batch, number, rates)[0], size, **facts)


def run_fit(job: Job) -> None:
    """Keras's own loop with nothing on; XLA as Keras decides."""
    recipe = job.recipe

    def loss(labels, outputs):
        return recipe.loss(outputs, tf.cast(labels, tf.int64))  # from floats

    job.model.compile(job.optimizer, loss=loss)
    job.model.fit(
        tf.data.Dataset.from_tensors(draw_noise(recipe)).repeat(),
        steps_per_epoch=2**40,
        callbacks=[Turns(recipe.global_batch_size, say)],
        verbose=0,
    )


def run_product(precision: str, strategy: tf.distribute.Strategy) -> None:
    """A matrix product on the strategy's first device; one is counted as one image."""
    facts = hardware.describe(strategy)
    size = MATRIX["gpu" if on_gpus(strategy) else "cpu"]
    draws = np.random.default_rng(0).standard_normal((2, size, size), "float32")
    dtype = precision.removeprefix("mixed_").replace("tensorfloat32", "float32")
    with tf.device(strategy.extended.worker_devices[0]):
        a, b = tf.cast(draws, dtype)
        product = tf.function(lambda: tf.reduce_sum(a @ b))
        device = facts.get("gpu", facts["processor"])
        take_turns(product, 1, flop=2 * size**3, device=device)


def take_turns(step: Callable, images: int, **facts: float | str) -> None:
    """Calls `step()`, which returns a tensor, for as long as each turn is.

    A GPU is asked for many steps before it has done one: it is waited for now and then, or a turn
    would take as much longer as steps had piled up.
    """
    step().numpy()
    say(**facts)
    at_once = 1
    while True:
        began, until = await_turn()
        done, most = 0, (until - began[1]) / WAITS
        while (asked := time.monotonic()) < until:
            for _ in range(at_once):
                last = step()
            last.numpy()
            done += at_once
            if 2 * (time.monotonic() - asked) < most:
                at_once *= 2
        answer(began, done * images)


def await_turn() -> tuple[tuple[float, float], float]:
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


def say(**facts: float | str) -> None:
    """One line of JSON."""
    print(json.dumps(facts), flush=True)


def cpu_seconds() -> float:
    """User and system, of all threads of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(way: dict) -> None:
    """Computes as `way` says until stdin ends."""
    strategy = make_strategy(way["devices"], way["platform"])
    empty = 0 if way["platform"] == "gpu" else peak_bytes(strategy)
    keras.utils.set_random_seed(0)
    if way["kind"] != "fit":
        repeat_bit_for_bit()
    set_precision(way["precision"], strategy)
    if way["kind"] == "product":
        run_product(way["precision"], strategy)
    elif way["kind"] == "fit":
        with tf.device(strategy.extended.worker_devices[0]):
            run_fit(build(way, tf.distribute.get_strategy()))
    elif way["kind"] == "bare":
        run_bare(build(way, strategy))
    else:
        run_loop(build(way, strategy), way, empty)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
