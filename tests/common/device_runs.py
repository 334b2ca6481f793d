"""Trains small nets on logical CPU devices; run as a program where they are several.

One strategy per process, so several devices have a process of their own:

    python -m tests.common.device_runs DEVICES "[alone] NET [name=value ...]" ...

prints a JSON line for each net: see `run`. What is "alone" is trained on one of the devices.
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
from common.training.steps import Rows, TrainSteps, repeat_bit_for_bit
from common.training.train_step import TrainStep
from tests.common.data_fixtures import DIGITS, digits

BATCH, SIZE, CLASSES, STEPS = 16, 35, 10, 20


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


def bn_shaped(*, synchronized: bool, heads: int = 1) -> keras.Model:
    image = keras.Input((SIZE, SIZE, 3))
    x, outputs = image, []
    for i in range(2):
        x = keras.layers.Conv2D(8, 3, 2, use_bias=False, name=f"conv{i}")(x)
        x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=synchronized)(
            x
        )
        x = keras.layers.ReLU()(x)
        if i == 0:
            # The largest of near ties would go by the rounding of statistics over devices.
            kind = keras.layers.AveragePooling2D if synchronized else keras.layers.MaxPooling2D
            x = kind(3, 2, "same")(x)
            x = LocalResponseNormalization(n=5, k=2.0, alpha=1e-4, beta=0.75)(x)
        pooled = keras.layers.GlobalAveragePooling2D()(x)
        pooled = Dropout(0.5, name=f"drop{i}")(pooled)
        outputs.insert(0, keras.layers.Dense(CLASSES, name=f"fc{i}")(pooled))
    return keras.Model(image, outputs[:heads] if heads > 1 else outputs[0])


def digits_shaped() -> keras.Model:
    image = keras.Input((32, 32, 1))
    x = keras.layers.Conv2D(4, 5, 2, activation="relu", name="conv")(image)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, name="fc")(x))


NETS = {
    "alexnet": alexnet_shaped,  # averaged
    "digits": digits_shaped,  # resident
    "bn": lambda: bn_shaped(synchronized=True),  # averaged, by RMSProp
    "bn_local": lambda: bn_shaped(synchronized=False, heads=2),
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
    traced = tf.function(step.update).get_concrete_function(
        batch, tf.TensorSpec((), tf.int64), tf.TensorSpec((1,))
    )
    return traced.graph.get_operations()


def resident_digits(strategy) -> tuple[ResidentSet, Rows]:
    """The embedded digits on all devices, and the batches' draws."""
    recipe = dataclasses.replace(
        DIGITS, global_batch_size=BATCH, train_transforms=(Pad(2), RandomShift(4))
    )
    resident = open_resident(digits(), recipe, None, strategy)
    drawn = resident.draw(seed=1, epoch=0, count=STEPS * BATCH)
    rows = {n: x.reshape(STEPS, BATCH, *x.shape[1:]) for n, x in drawn.items()}
    start = tf.constant(0, tf.int64)
    return resident, Rows(tf.nest.map_structure(tf.constant, rows), start)


def noise() -> tf.data.Dataset:
    """Batches of 64 images, again and again."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(64, SIZE, SIZE, 3)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((images, rng.integers(CLASSES, size=64)))
    return data.repeat().batch(BATCH, drop_remainder=True)


def run(
    net: str,
    strategy: tf.distribute.Strategy,
    *,
    microbatches: int = 1,
    clip: float | None = None,
    seed: int = 1,
    xla: bool = False,
) -> dict:
    """Losses and wrong counts of STEPS updates, variables after one ("first") and at the end."""
    keras.utils.set_random_seed(7)
    with strategy.scope():
        model = NETS[net]()
        shared = {
            "decay": (5e-4, "kernel"),
            "clip_global_norm": clip,
            "average_decay": 0.9 if net in ("alexnet", "bn") else None,
        }
        if net == "bn":
            optimizer = RmsProp(rho=0.9, momentum=0.9, epsilon=1.0, **shared)
        else:
            optimizer = MomentumSgd(0.9, nesterov=False, **shared)
        optimizer.build(model.trainable_variables)
    loss = SoftmaxCrossEntropy()
    if len(model.outputs) > 1:
        loss = WithAuxiliary(main=loss, weight=0.3, heads=1)
    resident = None
    if net == "digits":
        resident, source = resident_digits(strategy)
    else:
        source = distribute(strategy, noise())
    settings = {"global_batch_size": BATCH, "seed": seed, "microbatches": microbatches}
    settings |= {"jit_compile": xla, "resident": resident}
    train = TrainSteps(TrainStep(model, optimizer, loss, strategy, **settings))
    losses, wrong, weights = [], [], []
    for begin, end in ((0, 1), (1, STEPS)):
        found, _, count, _ = train(source, begin, [[0.05]] * (end - begin))
        losses += found.numpy().tolist()
        wrong += count.numpy().tolist()
        variables = (*model.variables, *optimizer.averages)
        weights.append([v.numpy().ravel().tolist() for v in variables])
    return {
        "losses": losses,
        "wrong": wrong,
        "first": weights[0],
        "weights": weights[1],
        "iterations": int(optimizer.iterations.numpy()),
    }


def run_case(case: str, strategy: tf.distribute.Strategy) -> dict:
    """The `run` of "NET [name=value ...]"."""
    net, *settings = case.split()
    pairs = (setting.split("=") for setting in settings)
    return run(net, strategy, **{name: json.loads(value) for name, value in pairs})


if __name__ == "__main__":
    # They make no strategy: with a second one the first would crash, here in `make_strategy`.
    import launch.inference.evaluation
    import launch.session.training  # noqa: F401

    repeat_bit_for_bit()
    devices, *cases = sys.argv[1:]
    strategy = make_strategy(int(devices), "cpu")
    one = tf.distribute.OneDeviceStrategy("CPU:0")
    for case in cases:
        on = one if case.startswith("alone ") else strategy
        print(json.dumps(run_case(case.removeprefix("alone "), on)))
