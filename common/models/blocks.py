"""Blocks that the networks of several papers are made of, each called after its NAME."""

from collections.abc import Iterator, Sequence

import keras

from common.models.layers import he_normal, symmetric_conv2d


def convolution(x, filters, kernel_size, strides=1, *, name, initial=None, **options):
    """A symmetric convolution without bias; `initial` is of its kernel, He's if it is None.

    (batch, H, W, C) -> (batch, ceil(H / strides), ceil(W / strides), filters)
    """
    initial = initial or he_normal()
    options |= {"use_bias": False, "kernel_initializer": initial}
    return symmetric_conv2d(x, filters, kernel_size, strides, name=name, **options)


def normalized(x, name, *, relu=True, gamma="ones"):
    """Batch normalisation and, if asked for, ReLU: NAME_bn and NAME_relu.

    Epsilon 1e-5, averages that keep 0.9: Caffe's and torch's. `gamma` is its initializer.
    """
    options = {"momentum": 0.9, "epsilon": 1e-5, "gamma_initializer": gamma}
    x = keras.layers.BatchNormalization(**options, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def residual_stem(image, initial=None):
    """ResNet's for ImageNet: 224x224 -> 112x112x64 -> 56x56x64, after its first ReLU."""
    x = normalized(convolution(image, 64, 7, 2, name="conv1", initial=initial), "conv1")
    return padded_pool(x)


def each_block(blocks: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(stage, block, strides) of stages of so many blocks, both numbered from 1.

    The first block of each stage but the first halves the maps.
    """
    for stage, number in enumerate(blocks, 1):
        for block in range(1, number + 1):
            yield stage, block, 2 if stage > 1 and block == 1 else 1


def padded_pool(x, before=1):
    """Maxima of 3x3, two apart, of maps that are padded by a pixel: 112x112 -> 56x56.

    What follows a ReLU can be padded with zeros.

    Args:
        before: Pixels above and to the left; with 0 the last window overhangs where it must
            (Caffe rounds the number of windows up).
    """
    x = keras.layers.ZeroPadding2D(((before, 1), (before, 1)), name="pool1_pad")(x)
    return keras.layers.MaxPooling2D(3, strides=2, name="pool1")(x)


def classifier(x, num_classes, initial, *, name="fc"):
    """Logits, float32 under any dtype policy; `initial` is of the kernel, biases start at 0."""
    dense = {"kernel_initializer": initial, "dtype": "float32", "name": name}
    return keras.layers.Dense(num_classes, **dense)(x)


def gaussian(stddev: float) -> keras.initializers.Initializer:
    """N(0, stddev^2)."""
    return keras.initializers.RandomNormal(0.0, stddev)


def torch_linear() -> keras.initializers.Initializer:
    """Torch's nn.Linear: uniform within 1 / sqrt(fan-in)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
