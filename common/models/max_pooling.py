"""A gradient of max pooling that repeats bit for bit under XLA.

XLA's own scatters, in any order, where windows overlap; TensorFlow refuses it where runs are to
repeat. This one is made of slices, comparisons and sums.
"""

import contextlib

import tensorflow as tf


def repeatable_gradient() -> contextlib.AbstractContextManager:
    """Max pooling traced inside has the gradient of this module.

    Keras's layers stay what they are, and so do the values that they give.
    """
    graph = tf.compat.v1.get_default_graph()
    return graph.gradient_override_map({"MaxPool": "MaxPoolBySlices"})


@tf.RegisterGradient("MaxPoolBySlices")
def max_pool_gradient(op, dy):
    """(batch, h, w, C) -> (batch, H, W, C): `dy` to each window's maximum.

    Of equal ones to the first, row by row, as in TensorFlow's own gradient.
    """
    x, y = op.inputs[0], op.outputs[0]
    size, strides = op.get_attr("ksize"), op.get_attr("strides")
    margins = [
        _margins(op.get_attr("padding"), *numbers)
        for numbers in zip(x.shape, y.shape, size, strides, strict=True)
    ]
    padded = tf.pad(x, margins, constant_values=x.dtype.min)
    height, width = (
        (n - 1) * stride + 1 for n, stride in zip(y.shape[1:3], strides[1:3], strict=True)
    )
    slices = [  # begin, end and strides of each place in a window
        ([0, i, j, 0], [tf.shape(x)[0], i + height, j + width, x.shape[3]], strides)
        for i in range(size[1])
        for j in range(size[2])
    ]
    chosen = tf.fill(tf.shape(y), -1)
    for place in reversed(range(len(slices))):
        found = tf.strided_slice(padded, *slices[place]) == y
        chosen = tf.where(found, place, chosen)
    dx = tf.zeros_like(padded)
    for place, (begin, end, strides) in enumerate(slices):
        dx += tf.raw_ops.StridedSliceGrad(
            shape=tf.shape(padded),
            begin=begin,
            end=end,
            strides=strides,
            dy=tf.where(chosen == place, dy, tf.zeros_like(dy)),
        )
    return tf.slice(dx, [before for before, _ in margins], tf.shape(x))


def _margins(padding: bytes, x: int, y: int, size: int, stride: int) -> tuple:
    """(before, after) along an axis of length `x`, windows `y`."""
    if padding != b"SAME" or y is None or size == 1:
        return 0, 0
    missing = max((y - 1) * stride + size - x, 0)
    return missing // 2, missing - missing // 2
