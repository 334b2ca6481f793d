"""Max pooling under XLA: Keras's values, TensorFlow's gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.models.max_pooling import repeatable_gradient
from common.training.steps import repeat_bit_for_bit

RNG = np.random.default_rng(0)
POOLINGS = {  # of the papers: size, strides, padding, sides
    "AlexNet, overlapping": (3, 2, "valid", 15),
    "VGG": (2, 2, "valid", 14),
    "a last row and column that no window has": (2, 2, "valid", 15),
    "GoogLeNet, rounded up": (3, 2, "same", 14),
    "padded on both sides": (3, 2, "same", 13),
    "inside of an Inception module": (3, 1, "same", 7),
}


def values_and_gradients(how, images, weights):
    size, strides, padding, _ = how
    values = keras.ops.max_pool(images, size, strides, padding)
    weighted = tf.reduce_sum(values * weights[:, : values.shape[1]])
    return values, tf.gradients(weighted, images)[0]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, "float32") for name in POOLINGS), ("GoogLeNet, rounded up", "bfloat16")],
)
def test_xla_has_the_same_values_and_gradients(name, dtype):
    """Whole numbers: their sums are exact in any order."""
    repeat_bit_for_bit()
    how = POOLINGS[name]
    shape = (2, how[-1], how[-1], 3)
    out = keras.ops.max_pool(tf.zeros(shape), *how[:3])
    weights = tf.cast(RNG.integers(1, 4, out.shape), dtype)

    @tf.function(jit_compile=True)
    def compiled(images, weights):
        with repeatable_gradient():
            return values_and_gradients(how, images, weights)

    plain = tf.function(lambda *given: values_and_gradients(how, *given))
    for kind, images in {
        "ties": RNG.integers(-2, 2, shape),
        "all equal": np.full(shape, -1.5),
        "no ties": RNG.permutation(np.prod(shape)).reshape(shape) % 257,
    }.items():
        x = tf.cast(images, dtype)
        for wanted, found in zip(plain(x, weights), compiled(x, weights), strict=True):
            wanted, found = tf.cast(wanted, tf.float32), tf.cast(found, tf.float32)
            np.testing.assert_array_equal(found, wanted, err_msg=kind)


def test_only_what_is_traced_inside_has_this_gradient():
    @tf.function
    def kinds(images):
        keras.ops.max_pool(images, 2)
        with repeatable_gradient():
            keras.ops.max_pool(images, 2)
        return images

    graph = kinds.get_concrete_function(tf.TensorSpec((1, 4, 4, 1))).graph
    pools = [op for op in graph.get_operations() if op.type == "MaxPool"]
    marked = ["_gradient_op_type" in op.node_def.attr for op in pools]
    assert marked == [False, True]
