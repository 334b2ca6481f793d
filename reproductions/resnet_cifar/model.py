"""Residual and plain networks for CIFAR-10.

He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2015,
Section 4.2: a 3x3 convolution, then three stages of 2n 3x3 convolutions on
maps of 32, 16 and 8 pixels with 16, 32 and 64 filters, global average pooling
and a classifier: 6n + 2 layers with weights.

Differences from the paper: none known. Left open by it are the constants of
batch normalisation, the biases of the convolutions, and the side of the zero
channels (deviations.toml).
"""

import keras

from common.models.blocks import classifier, convolution, each_block, normalized
from common.models.layers import ParameterFreeShortcut, he_normal


def build_model(variant: str, image_size: int, num_classes: int) -> keras.Model:
    """See reproductions.build_model."""
    family, depth = split_name(variant)
    image = keras.Input((image_size, image_size, 3), name="image")
    x = normalized(convolution(image, 16, 3, name="conv1"), "conv1")
    for stage, index, strides in each_block([(depth - 2) // 6] * 3):
        x = block(x, 8 * 2**stage, strides, f"stage{stage}_{index}", family)  # Sec. 4.2: 16, 32, 64
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    logits = classifier(x, num_classes, he_normal())  # as all weights: [13] of the paper
    return keras.Model(image, logits, name=variant)


def split_name(variant: str) -> tuple[str, int]:
    """("cifar_resnet", 20) of "cifar_resnet20"."""
    family = variant.rstrip("0123456789")
    return family, int(variant.removeprefix(family))


def block(x, filters, strides, name, family):
    """Two 3x3 convolutions with BN (Fig. 2) and, but in plain networks, the input (Eq. 1)."""
    y = convolution(x, filters, 3, strides, name=f"{name}_conv1")
    y = normalized(y, f"{name}_conv1", relu=False)
    y = keras.layers.ReLU(name=f"{name}_relu1")(y)
    y = convolution(y, filters, 3, name=f"{name}_conv2")
    y = normalized(y, f"{name}_conv2", relu=False)
    if family != "cifar_plain":
        new = filters - x.shape[-1]
        if strides > 1 or new:  # option A; half of akamaster's zero channels come first
            before = new // 2 if family == "akamaster_resnet" else 0
            shortcut = f"{name}_shortcut"
            x = ParameterFreeShortcut(filters, strides, zeros_before=before, name=shortcut)(x)
        y = keras.layers.Add(name=f"{name}_add")([x, y])
    return keras.layers.ReLU(name=f"{name}_relu2")(y)
