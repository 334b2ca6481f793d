"""Trains small nets on N logical devices; run as a program by test_steps.

One strategy per process, so each number of devices has a process of its own:

    python -m tests.common.device_runs DEVICES "NET [name=value ...]" ...

prints a JSON line for each net: losses, wrong counts, and the final weights.
"""

import dataclasses
import json
import sys

import keras
import numpy as np
import tensorflow as tf

from common.data.resident import ResidentSet, open_resident
from common.data.transforms import Pad, RandomShift
from common.distribution.strategy import distribute, make_strategy
from common.models.layers import Dropout, LocalResponseNormalization
from common.recipes.losses import SoftmaxCrossEntropy, WithAuxiliary
from common.training.optimizers import MomentumSgd, RmsProp
from common.training.steps import MAX_UPDATES, Rows, TrainSteps, repeat_bit_for_bit
from common.training.train_step import TrainStep
from tests.common.data_fixtures import DIGITS, digits

BATCH, SIZE, CLASSES = 16, 35, 10


def alexnet_shaped() -> keras.Model:
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(8, 7, 2, activation="relu", name="conv1")(image)
    x = LocalResponseNormalization(n=5, k=2.0, alpha=1e-4, beta=0.75, name="norm1")(x)
    x = keras.layers.MaxPooling2D(3, 2)(x)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="conv2")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(32, activation="relu", name="fc6")(x)
    x = Dropout(0.5, name="drop6")(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, name="fc8")(x))


def bn_shaped(*, synchronized: bool) -> keras.Model:
    image = keras.Input((SIZE, SIZE, 3))
    x = image
    for i in range(2):
        x = keras.layers.Conv2D(8, 3, 2, use_bias=False, name=f"conv{i}")(x)
        x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=synchronized)(
            x
        )
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, name="fc")(x))


def with_two_heads() -> keras.Model:
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(8, 3, 2, activation="relu", name="conv1")(image)
    pool = keras.layers.GlobalAveragePooling2D()
    early = keras.layers.Dense(CLASSES, name="early")(pool(x))
    x = keras.layers.MaxPooling2D(3, 2, "same")(x)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="conv2")(x)
    return keras.Model(image, [keras.layers.Dense(CLASSES)(pool(x)), early])


def digits_shaped() -> keras.Model:
    image = keras.Input((32, 32, 1))
    x = keras.layers.Conv2D(4, 5, 2, activation="relu", name="conv")(image)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, name="fc")(x))


NETS = {
    "alexnet": alexnet_shaped,
    "averaged": alexnet_shaped,
    "auxiliary": with_two_heads,
    "rmsprop": alexnet_shaped,
    "digits": digits_shaped,
    "bn": lambda: bn_shaped(synchronized=True),
    "bn_local": lambda: bn_shaped(synchronized=False),
}


def build_step(model, *, batch_size, optimizer=None, **more):
    """The TrainStep of a model on one device."""
    optimizer = optimizer or MomentumSgd(0.9, nesterov=False)
    optimizer.build(model.trainable_variables)
    parts = (model, optimizer, SoftmaxCrossEntropy(), tf.distribute.get_strategy())
    return TrainStep(*parts, **{"global_batch_size": batch_size, "seed": 0} | more)


def build_steps(model, **more):
    """The TrainSteps of a model on one device."""
    return TrainSteps(build_step(model, **more))


def operations(step):
    """Of the graph of a TrainStep whose batch has two images."""
    batch = tf.TensorSpec((2, *step.model.input_shape[1:])), tf.TensorSpec((2,), tf.int64)
    traced = tf.function(step).get_concrete_function(
        batch, tf.TensorSpec((), tf.int64), tf.TensorSpec((1,))
    )
    return traced.graph.get_operations()


def resident_digits(strategy) -> tuple[ResidentSet, Rows]:
    """The embedded digits on all devices, and 20 batches' draws."""
    recipe = dataclasses.replace(
        DIGITS, global_batch_size=BATCH, train_transforms=(Pad(2), RandomShift(4))
    )
    resident = open_resident(digits(), recipe, None, strategy)
    drawn = resident.draw(seed=1, epoch=0, count=20 * BATCH)
    rows = {n: x.reshape(20, BATCH, *x.shape[1:]) for n, x in drawn.items()}
    start = tf.constant(0, tf.int64)
    return resident, Rows(tf.nest.map_structure(tf.constant, rows), start)


def batches(examples: int) -> tf.data.Dataset:
    """`examples` noise images in batches of BATCH; a short last one is cut."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(examples, SIZE, SIZE, 3)).astype("float32")
    labels = rng.integers(CLASSES, size=examples)
    data = tf.data.Dataset.from_tensor_slices((images, labels)).repeat()
    return data.batch(BATCH, drop_remainder=True)


def run(
    net: str,
    strategy: tf.distribute.Strategy,
    *,
    steps: int = 20,
    microbatches: int = 1,
    clip: float | None = None,
    seed: int = 1,
    rate: float = 0.05,
    examples: int = 64,
    xla: bool = False,
) -> dict:
    keras.utils.set_random_seed(7)
    with strategy.scope():
        model = NETS[net]()
        shared = {
            "decay": (5e-4, "kernel"),
            "clip_global_norm": clip,
            "average_decay": 0.9 if net in ("averaged", "rmsprop") else None,
        }
        optimizer = MomentumSgd(0.9, nesterov=False, **shared)
        if net == "rmsprop":
            optimizer = RmsProp(rho=0.9, momentum=0.9, epsilon=1.0, **shared)
        optimizer.build(model.trainable_variables)
    loss = SoftmaxCrossEntropy()
    if net == "auxiliary":
        loss = WithAuxiliary(main=loss, weight=0.3, heads=1)
    resident = None
    if net == "digits":
        resident, source = resident_digits(strategy)
    else:
        source = distribute(strategy, batches(examples))
    settings = {"global_batch_size": BATCH, "seed": seed, "microbatches": microbatches}
    settings |= {"jit_compile": xla, "resident": resident}
    train = TrainSteps(TrainStep(model, optimizer, loss, strategy, **settings))
    rates = np.full((MAX_UPDATES, 1), rate, np.float32)
    losses, _, wrong, _ = train(
        source, tf.constant(0, tf.int64), tf.constant(steps), tf.constant(rates)
    )
    return {
        "losses": losses.numpy().tolist(),
        "wrong": wrong.numpy().tolist(),
        "weights": [v.numpy().ravel().tolist() for v in (*model.variables, *optimizer.averages)],
        "iterations": int(optimizer.iterations.numpy()),
    }


if __name__ == "__main__":
    repeat_bit_for_bit()
    devices, *cases = sys.argv[1:]
    strategy = make_strategy(int(devices), "cpu")
    for net, *settings in map(str.split, cases):
        pairs = (setting.split("=") for setting in settings)
        values = {name: json.loads(value) for name, value in pairs}
        print(json.dumps(run(net, strategy, **values)))
