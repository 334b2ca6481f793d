"""Networks without weights, and what they compute, in NumPy; for tests of several papers."""

import functools

import keras
import numpy as np

import reproductions
from common.models.layer_table import layer_table, without_weights


def draws(*shape, scale=1.0, seed=0):
    """Normal, float32, the same each time."""
    return np.random.default_rng(seed).normal(0, scale, shape).astype("float32")


@functools.cache
def graph_of(paper, variant, **sizes):
    """The network, for its layers: it has no weights."""
    with without_weights():
        return reproductions.build_model(paper, variant, **sizes)


@functools.cache
def rows_of(paper, variant):
    """The layers of the network at its paper's size."""
    return layer_table(graph_of(paper, variant))


def strided(model):
    """Names of the convolutions with stride 2."""
    return [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.strides == (2, 2)
    ]


def convolve(x, kernel, strides=1):
    """(H, W, maps), padded by half the kernel's size."""
    size = kernel.shape[0]
    x = np.pad(x, [(size // 2, size // 2)] * 2 + [(0, 0)])
    places = range(0, x.shape[0] - size + 1, strides)
    return np.array(
        [[np.tensordot(x[i : i + size, j : j + size], kernel, 3) for j in places] for i in places]
    )
