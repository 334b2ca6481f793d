"""One device and many, with XLA and without: the same run."""

import functools
import json
import pathlib
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.distribution.strategy import make_strategy
from common.errors import UsageError
from common.training.steps import MAX_UPDATES, Rows, TrainSteps, repeat_bit_for_bit
from common.training.train_step import TrainStep
from tests.common import device_runs
from tests.common.device_runs import build_step, build_steps, operations

ROOT = pathlib.Path(__file__).parents[2]
TOGETHER = "alexnet clip=0.5"  # dropout, LRN, clipping and averages in one run
RMSPROP = "bn clip=0.5"
CASES = (  # of a process with two devices
    f"alone {TOGETHER}",
    f"{TOGETHER} microbatches=2",
    RMSPROP,
    "bn_local",
    "bn_local xla=true",
    "digits",
    "digits microbatches=2 xla=true",
)


def run_elsewhere(*cases: str) -> dict[str, dict]:
    """In a process of its own: see device_runs.py."""
    command = [sys.executable, "-m", "tests.common.device_runs", "2", *cases]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = map(json.loads, done.stdout.splitlines())
    return dict(zip(cases, found, strict=True))


@functools.cache
def on_two_devices() -> dict[str, dict]:
    return run_elsewhere(*CASES)


@functools.cache
def run(case: str, devices: int = 1) -> dict:
    if devices == 2:
        return on_two_devices()[case]
    repeat_bit_for_bit()
    return device_runs.run_case(case, tf.distribute.OneDeviceStrategy("CPU:0"))


def assert_same_run(one: dict, other: dict) -> None:
    """The same losses to 5 digits, the same updates, the same weights."""
    assert len(one["losses"]) == 20
    np.testing.assert_allclose(one["losses"], other["losses"], rtol=1e-5)
    assert one["wrong"] == other["wrong"]
    assert one["iterations"] == other["iterations"] == 20
    for a, b in zip(one["weights"], other["weights"], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", [RMSPROP, "digits"])
def test_two_devices_make_the_same_run_as_one(case):
    # Batch normalisation over all devices; losses divided by the global batch: no gradient twice.
    assert_same_run(run(case), run(case, 2))


def test_clipping_follows_the_sum_over_microbatches_and_devices():
    # Of accumulated gradients, alone and on two devices; so do the averages and dropout.
    whole = run(TOGETHER)
    assert_same_run(whole, run(f"{TOGETHER} microbatches=2"))
    assert_same_run(whole, run(f"{TOGETHER} microbatches=2", 2))
    assert not np.allclose(whole["losses"], run("alexnet")["losses"])


def test_local_batch_statistics_are_another_run():
    # What the recipe's synchronized_batch_norm decides.
    one, two = run("bn_local"), run("bn_local", 2)
    assert not np.allclose(one["losses"][5:], two["losses"][5:], rtol=1e-5)


def test_another_process_repeats_a_run_bit_for_bit_and_seeds_differ():
    again = on_two_devices()[f"alone {TOGETHER}"]
    assert again == run(TOGETHER)
    assert again["losses"] != run(f"{TOGETHER} seed=2")["losses"]


# Once, on an overloaded machine, a repeated run differed in late digits; not
# explained yet, so it is run by hand.
@pytest.mark.full
def test_another_process_repeats_a_run_on_two_devices():
    [again] = run_elsewhere(CASES[1]).values()
    assert again == run(CASES[1], 2)


def test_parts_of_a_batch_are_normalised_as_on_so_many_devices():
    one, two = run("bn_local microbatches=2"), run("bn_local", 2)
    assert one["wrong"] == two["wrong"]
    np.testing.assert_allclose(one["losses"], two["losses"], rtol=1e-5)
    # The averages, of which those of the first device are saved.
    assert np.abs(one["first"][3]).max() > 1e-3
    np.testing.assert_allclose(one["first"][3], two["first"][3], atol=1e-7)


@pytest.mark.parametrize(
    "case, like, devices",
    [
        (RMSPROP, RMSPROP, 1),
        ("digits microbatches=4", "digits", 1),
        ("bn_local", "bn_local", 2),
        ("digits microbatches=2", "digits", 2),
    ],
)
def test_xla_makes_the_same_run(case, like, devices):
    plain, compiled = run(like, devices), run(f"{case} xla=true", devices)
    np.testing.assert_allclose(plain["losses"], compiled["losses"], rtol=1e-5)
    assert plain["wrong"] == compiled["wrong"]
    for a, b in zip(plain["weights"], compiled["weights"], strict=True):
        # Of the largest: after 20 updates those near 0 have lost digits.
        np.testing.assert_allclose(a, b, rtol=0, atol=5e-5 * np.abs(a).max())


def test_more_gpus_than_present_are_refused(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    for gpus, platform, flags in (
        (99, "auto", "--gpus"),
        (None, "gpu", "--platform gpu"),
        (1, "gpu", "--gpus and --platform gpu"),
    ):
        with pytest.raises(UsageError, match=f"Leave out {flags}, or say --platform cpu"):
            make_strategy(gpus, platform)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: "ab")
    with pytest.raises(UsageError, match="--platform gpu"):
        make_strategy(0, "gpu")  # was a training on the CPU


@pytest.mark.parametrize("gpus, threads", [(None, [1]), (2, [1]), (1, [1]), (0, [])])
def test_beside_gpus_the_cpu_has_one_thread_an_operation(gpus, threads, monkeypatch):
    """There it makes only the input, many images at once: launch/bench/README.md."""
    asked = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: "ab")
    for where, name, told in (
        (tf.config.experimental, "set_memory_growth", lambda *_: None),
        (tf.config.threading, "set_intra_op_parallelism_threads", asked.append),
        (tf.distribute, "MirroredStrategy", lambda devices: None),
        (tf.distribute, "OneDeviceStrategy", lambda device: None),
    ):
        monkeypatch.setattr(where, name, told)
    make_strategy(gpus, "auto")
    assert asked == threads


def test_xla_on_several_devices_cannot_take_the_statistics_of_all():
    class TwoDevices:
        num_replicas_in_sync = 2

    image = keras.Input((8, 8, 1))
    layer = keras.layers.BatchNormalization(synchronized=True, name="bn1")
    with pytest.raises(UsageError, match=r"\(bn1\) takes .* --nojit_compile"):
        TrainStep(
            keras.Model(image, layer(image)),
            None,
            None,
            TwoDevices(),
            global_batch_size=4,
            seed=0,
            jit_compile=True,
        )


class Turned(keras.layers.Layer):
    """An operation that XLA does not know."""

    def call(self, inputs):
        turned = tf.raw_ops.ImageProjectiveTransformV3(
            images=inputs,
            transforms=[[1.0, 0, 0, 0, 1, 0, 0, 0]],
            output_shape=[4, 4],
            fill_value=0.0,
            interpolation="BILINEAR",
        )
        return tf.ensure_shape(turned, inputs.shape)


def test_what_xla_cannot_compile_is_said_with_the_way_back():
    image = keras.Input((4, 4, 1))
    x = keras.layers.Flatten()(Turned()(image))
    model = keras.Model(image, keras.layers.Dense(3)(x), name="turned")
    run = build_steps(model, batch_size=2, jit_compile=True)
    batch = np.ones((2, 4, 4, 1), "float32"), np.zeros(2, "int64")
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    with pytest.raises(UsageError, match="turned: .*Image.*nojit"):
        run(batches, 0, [[0.1]])


def test_frozen_layers_keep_their_weights_and_statistics():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Conv2D(16, 3, name="conv1"),
            keras.layers.BatchNormalization(name="conv1_bn"),
            keras.layers.Conv2D(2, 1, name="conv2"),
            keras.layers.BatchNormalization(name="conv2_bn"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, name="fc"),
        ]
    )
    for name in ("conv1", "conv1_bn"):
        model.get_layer(name).trainable = False
    rng = np.random.default_rng(0)
    # The mean of seven equal numbers is another one in the last bits.
    model.get_layer("conv1_bn").moving_mean.assign(rng.normal(size=16))
    before = {v.path: v.numpy() for v in model.variables}
    run = build_steps(model, batch_size=7, microbatches=7)
    images = rng.normal(3, 1, (7, 4, 4, 1)).astype("float32")
    batches = iter(tf.data.Dataset.from_tensors((images, np.arange(7) % 2)).repeat())
    run(batches, 0, [[0.1]] * 2)
    changed = {v.path for v in model.variables if not np.array_equal(v.numpy(), before[v.path])}
    assert {path.split("/")[-2] for path in changed} == {"conv2", "conv2_bn", "fc"}
    assert any("conv2_bn/moving_mean" in path for path in changed)


class Counted(keras.layers.Layer):
    """Counts its calls in training."""

    def build(self, shape):
        self.calls = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

    def call(self, inputs, training=False):
        if training:
            self.calls.assign(self.calls + 1)
        return inputs


def test_a_whole_number_that_a_layer_keeps_moves_too():
    image = keras.Input((4, 4, 1))
    x = keras.layers.Flatten()(Counted(name="counted")(image))
    model = keras.Model(image, keras.layers.Dense(3)(x))
    run = build_steps(model, batch_size=2)
    batch = np.ones((2, 4, 4, 1), "float32"), np.zeros(2, "int64")
    run(iter(tf.data.Dataset.from_tensors(batch).repeat()), 0, [[0.1]] * 3)
    assert int(model.get_layer("counted").calls.numpy()) == 3


def test_gradients_that_meet_are_added_in_one_order():
    # AddN adds to whichever input is free first: Inception-v3's gradients,
    # where four meet, changed in the last bits from call to call.
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(images)
    fan = [keras.layers.Conv2D(4, 3, name=f"b{i}")(x) for i in range(4)]
    logits = keras.layers.GlobalAveragePooling2D()(keras.layers.add(fan))
    repeat_bit_for_bit()
    found = operations(build_step(keras.Model(images, logits), batch_size=2))
    sums = [len(op.inputs) for op in found if op.type == "AddN"]
    assert sums and max(sums) == 2
    grappler = tf.config.optimizer.get_experimental_options()
    assert grappler["arithmetic_optimization"] is False


def test_xla_meets_no_branch_between_the_updates_of_rows():
    """On a GPU its host would wait for each."""

    def update(batch, step, rates):
        total = tf.reduce_sum(batch["x"])
        return total, total * rates[0], tf.cast(step, tf.int32)

    step = types.SimpleNamespace(
        update=update, jit_compile=True, strategy=tf.distribute.get_strategy()
    )
    steps = TrainSteps(step, compile_loop=True)
    x = np.arange(8, dtype="float32").reshape(4, 2)
    rows = Rows({"x": tf.constant(x)}, tf.constant(10, tf.int64))
    losses, scaled, where, _ = steps(rows, 11, [[0.5], [2.0], [4.0]])  # to the last row
    np.testing.assert_array_equal(losses, [5, 9, 13])
    np.testing.assert_array_equal(scaled, [2.5, 18, 52])
    np.testing.assert_array_equal(where, [11, 12, 13])
    tf.random.set_seed(0)  # asking for the text draws a number
    asked = (rows, tf.constant(11, tf.int64), tf.constant(3), tf.zeros((MAX_UPDATES, 1)))
    text = steps._of_rows.experimental_get_compiler_ir(*asked)(stage="hlo", platform_name="GPU")
    assert " while(" in text and " conditional(" not in text
