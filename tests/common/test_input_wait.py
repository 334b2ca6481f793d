"""How long the steps wait for input is measured where it is spent."""

import os
import pathlib
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from common.training.steps import MAX_UPDATES
from tests.common.device_runs import build_step, build_steps, operations

ROOT = pathlib.Path(__file__).parents[2]
SECONDS = 0.1  # that a slow batch takes: far above what a busy machine adds to a step
SLOW_STEP = """
import tests.common.test_input_wait as wait
print(*wait.seconds_and_wait(5, slow=False, units=4096))
"""


def network(units=3):
    image = keras.Input((4, 4, 1))
    inside = keras.layers.Dense(units)(keras.layers.Flatten()(image))
    inside = keras.layers.Dense(units)(inside)
    return keras.Model(image, keras.layers.Dense(3)(inside))


def seconds_and_wait(updates, *, slow, units=3):
    run = build_steps(network(units), batch_size=2)

    def batches():
        while True:
            time.sleep(SECONDS * slow)
            yield np.ones((2, 4, 4, 1), "float32"), np.zeros(2, "int64")

    shapes = (tf.TensorSpec((2, 4, 4, 1), tf.float32), tf.TensorSpec((2,), tf.int64))
    data = iter(tf.data.Dataset.from_generator(batches, output_signature=shapes))
    rates = tf.zeros((MAX_UPDATES, 1))
    zero = tf.constant(0, tf.int64)
    run(data, zero, tf.constant(1), rates)
    began = time.monotonic()
    *_, waited = run(data, zero, tf.constant(updates), rates)
    return time.monotonic() - began, float(waited)


def test_slow_input_is_nearly_all_of_the_time():
    seconds, waited = seconds_and_wait(10, slow=True)
    assert 0.8 * 10 * SECONDS < waited <= seconds


def test_input_that_is_at_hand_is_not_waited_for():
    seconds, waited = seconds_and_wait(20, slow=False, units=2048)
    assert waited < 0.5 * seconds


def test_one_thread_reads_the_clock_before_it_computes():
    one = {"TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SLOW_STEP],
        cwd=ROOT,
        env=os.environ | one,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, waited = map(float, done.stdout.split())
    assert waited < 0.5 * seconds


def test_the_step_asks_nothing_of_python():
    """It would wait for the interpreter's lock, and XLA cannot compile it."""
    step = build_step(network(), batch_size=2)
    kinds = {op.type for op in operations(step)}
    assert not kinds & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}
