"""Networks without weights, and what they compute, in NumPy; for tests of several papers."""

import functools

import keras
import numpy as np
import tensorflow as tf

import reproductions
from common.data.rng import ExampleRng
from common.data.transforms import Context
from common.models.layer_table import layer_table, without_weights


def draws(*shape, scale=1.0, seed=0):
    """Normal, float32, the same each time."""
    return np.random.default_rng(seed).normal(0, scale, shape).astype("float32")


@functools.cache
def graph_of(paper, variant, **sizes):
    """The network, for its layers: it has no weights."""
    with without_weights():
        return reproductions.build_model(paper, variant, **sizes)


def context(position, seed=3):
    """Of an operation on the pixels of one image, that many images into an epoch."""
    rng = ExampleRng(seed, tf.cast(position, tf.int64))
    return Context(top=0, left=0, mirrored=False, statistics=None, rng=rng)


def randomize(model, spread=None):
    """Gammas, betas and statistics of their own; and kernels of that deviation, if it is given."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("beta", "moving_mean"):
            weight.assign(rng.normal(0, 0.3, weight.shape))
        elif weight.name == "kernel" and spread:
            weight.assign(rng.normal(0, spread, weight.shape))
    return model


def part(model, first, *last):
    """From the output of one layer to those of others."""
    outputs = [model.get_layer(name).output for name in last]
    return keras.Model(model.get_layer(first).output, outputs)


@functools.cache
def rows_of(paper, variant):
    """The layers of the network at its paper's size."""
    return layer_table(graph_of(paper, variant))


def convolve(x, kernel, strides=1):
    """(H, W, maps), padded by half the kernel's size."""
    size = kernel.shape[0]
    x = np.pad(x, [(size // 2, size // 2)] * 2 + [(0, 0)])
    places = range(0, x.shape[0] - size + 1, strides)
    return np.array(
        [[np.tensordot(x[i : i + size, j : j + size], kernel, 3) for j in places] for i in places]
    )
