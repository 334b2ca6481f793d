"""How long the steps wait for input is measured where it is spent."""

import time

import keras
import numpy as np
import tensorflow as tf

from common.losses import SoftmaxCrossEntropy
from common.optimizers import MomentumSgd
from common.steps import MAX_UPDATES, TIMED_UPDATES, make_train_steps

SECONDS = 0.02  # that a slow batch takes


def seconds_and_wait(updates, *, slow):
    image = keras.Input((4, 4, 1))
    outputs = keras.layers.Dense(3)(keras.layers.Flatten()(image))
    model = keras.Model(image, outputs)
    optimizer = MomentumSgd(0.9, nesterov=False)
    optimizer.build(model.trainable_variables)
    run = make_train_steps(
        *(model, optimizer, SoftmaxCrossEntropy()),
        tf.distribute.get_strategy(),
        global_batch_size=2,
        seed=0,
    )

    def batches():
        while True:
            time.sleep(SECONDS * slow)
            yield np.ones((2, 4, 4, 1), "float32"), np.zeros(2, "int64")

    shapes = (
        tf.TensorSpec((2, 4, 4, 1), tf.float32),
        tf.TensorSpec((2,), tf.int64),
    )
    data = iter(
        tf.data.Dataset.from_generator(batches, output_signature=shapes)
    )
    rates = tf.zeros((MAX_UPDATES, 1))
    zero = tf.constant(0, tf.int64)
    run(data, zero, tf.constant(1), rates)
    began = time.monotonic()
    *_, waited = run(data, zero, tf.constant(updates), rates)
    return time.monotonic() - began, float(waited)


def test_slow_input_is_nearly_all_of_the_time():
    seconds, waited = seconds_and_wait(10, slow=True)
    assert 0.9 * 10 * SECONDS < waited <= seconds


def test_what_is_not_timed_is_reckoned_as_the_rest():
    updates = 2 * TIMED_UPDATES
    _, waited = seconds_and_wait(updates, slow=True)
    assert waited > 0.9 * updates * SECONDS
