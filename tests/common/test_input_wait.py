"""How long the steps wait for input is measured where it is spent."""

import time

import keras
import numpy as np
import tensorflow as tf

from tests.common.device_runs import build_step, build_steps, operations

SECONDS = 0.1  # that a slow batch takes: far above what a busy machine adds to a step


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
    run(data, 0, [[0.0]])
    began = time.monotonic()
    *_, waited = run(data, 0, [[0.0]] * updates)
    return time.monotonic() - began, float(waited)


def test_slow_input_is_nearly_all_of_the_time():
    seconds, waited = seconds_and_wait(10, slow=True)
    assert 0.8 * 10 * SECONDS < waited <= seconds


def test_input_that_is_at_hand_is_not_waited_for():
    seconds, waited = seconds_and_wait(20, slow=False, units=2048)
    assert waited < 0.5 * seconds


def test_the_step_asks_nothing_of_python_and_reads_no_clock():
    """It would wait for the interpreter's lock; and XLA cannot compile it.

    A clock in the graph would be read when a thread is free, not when the batch is there.
    """
    step = build_step(network(), batch_size=2)
    kinds = {op.type for op in operations(step)}
    assert not kinds & {"PyFunc", "EagerPyFunc", "PyFuncStateless", "Timestamp"}
