"""Residual and plain networks for CIFAR-10.

He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2015,
Section 4.2: a 3x3 convolution, then three stages of 2n 3x3 convolutions on
maps of 32, 16 and 8 pixels with 16, 32 and 64 filters, global average pooling
and a classifier: 6n + 2 layers with weights.

Differences from the paper: none known. Left open by it are the constants of
batch normalisation, the biases of the convolutions, and the side of the zero
channels (deviations.toml).
"""

import functools

import keras

from common.models.layers import ParameterFreeShortcut, he_normal, symmetric_conv2d

FILTERS = (16, 32, 64)  # Sec. 4.2


def build_model(variant: str, image_size: int, num_classes: int) -> keras.Model:
    """See reproductions.build_model."""
    family, depth = split_name(variant)
    block = functools.partial(
        plain_block if family == "cifar_plain" else residual_block,
        zeros_first=family == "akamaster_resnet",
    )
    image = keras.Input((image_size, image_size, 3), name="image")
    x = conv_bn(image, 16, 1, "conv1")
    x = keras.layers.ReLU(name="conv1_relu")(x)
    for stage, filters in enumerate(FILTERS, 1):
        for index in range(1, (depth - 2) // 6 + 1):
            strides = 2 if stage > 1 and index == 1 else 1
            x = block(x, filters, strides, f"stage{stage}_{index}")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    logits = keras.layers.Dense(
        num_classes, kernel_initializer=he_normal(), name="fc", dtype="float32"
    )(x)
    return keras.Model(image, logits, name=variant)


def split_name(variant: str) -> tuple[str, int]:
    """("cifar_resnet", 20) of "cifar_resnet20"."""
    family = variant.rstrip("0123456789")
    return family, int(variant.removeprefix(family))


def conv_bn(x, filters, strides, name):
    """3x3 convolution, padded by 1 on each side, and batch normalisation."""
    initial = he_normal()  # [13] of the paper
    x = symmetric_conv2d(
        x, filters, 3, strides, use_bias=False, kernel_initializer=initial, name=name
    )
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)


def two_layers(x, filters, strides, name):
    """Two convolutions with BN, and a ReLU between them (Fig. 2)."""
    x = conv_bn(x, filters, strides, f"{name}_conv1")
    x = keras.layers.ReLU(name=f"{name}_relu1")(x)
    return conv_bn(x, filters, 1, f"{name}_conv2")


def plain_block(x, filters, strides, name, *, zeros_first):
    """Two layers and a ReLU."""
    x = two_layers(x, filters, strides, name)
    return keras.layers.ReLU(name=f"{name}_relu2")(x)


def residual_block(x, filters, strides, name, *, zeros_first):
    """Two layers, plus the input (option A), and a ReLU (Eq. 1).

    With `zeros_first`, half of the zero channels come first.
    """
    shortcut, new = x, filters - x.shape[-1]
    if strides > 1 or new:
        shortcut = ParameterFreeShortcut(
            filters, strides, zeros_before=new // 2 if zeros_first else 0, name=f"{name}_shortcut"
        )(x)
    x = two_layers(x, filters, strides, name)
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.ReLU(name=f"{name}_relu2")(x)
