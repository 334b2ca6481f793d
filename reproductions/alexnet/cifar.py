"""The networks for CIFAR-10 of Section 3.3: 13 % without LRN, 11 % with it.

Footnote 3 of the paper: "specified precisely by the code and parameter files"
of cuda-convnet. They are example-layers/layers-conv-local-13pct.cfg of
computerhistory/AlexNet-Source-Code and layers/layers-cifar10-11pct.cfg of
akrizhevsky/cuda-convnet2, each with its layer-params file.
"""

import dataclasses
import math

import keras
import tensorflow as tf

from common.models.blocks import classifier, gaussian
from common.models.layers import LocalResponseNormalization


@dataclasses.dataclass(frozen=True, kw_only=True)
class CifarForm:
    """What the two files differ in.

    Attributes:
        norm: LRN after pool1 and before pool2.
        local3: Maps of the first locally connected layer.
    """

    norm: bool
    local3: int


PLAIN = CifarForm(norm=False, local3=32)
NORMALIZED = CifarForm(norm=True, local3=64)
FORMS = {
    "cifar_alexnet_13pct": PLAIN,
    "cifar_alexnet_13pct_40k": PLAIN,
    "cifar_alexnet_11pct": NORMALIZED,
    "cifar_alexnet_11pct_40k": NORMALIZED,
}


def build_network(variant: str, size: int, classes: int) -> keras.Model:
    """(batch, size, size, 3) -> (batch, classes) logits; the files' size is 24.

    Pooling windows may hang over at the bottom and right, as in AlexNet.
    """
    form = FORMS[variant]
    image = keras.Input((size, size, 3), name="image")
    x = convolution(image, 1, std=0.0001)  # 24x24x64
    x = pool(x, 1)  # 12x12x64
    if form.norm:
        x = normalize(x, 1)
    x = convolution(x, 2, std=0.01)  # 12x12x64
    if form.norm:
        x = normalize(x, 2)
    x = pool(x, 2)  # 6x6x64
    x = LocallyConnected(form.local3, name="local3")(x)  # 6x6
    x = keras.layers.ReLU(name="relu3")(x)
    x = LocallyConnected(32, name="local4")(x)  # 6x6x32
    x = keras.layers.ReLU(name="relu4")(x)
    x = keras.layers.Flatten(name="flatten")(x)  # 1152
    logits = classifier(x, classes, gaussian(0.01), name="fc10")
    return keras.Model(image, logits, name=variant)


def convolution(x, index, *, std):
    """64 of 5x5, stride 1, padding 2, and ReLU."""
    return keras.layers.Conv2D(
        64,
        5,
        padding="same",
        activation="relu",
        kernel_initializer=gaussian(std),
        name=f"conv{index}",
    )(x)


def pool(x, index):
    """Maxima of 3x3 windows, two apart, the first at the first pixel."""
    return keras.layers.MaxPooling2D(3, 2, "same", name=f"pool{index}")(x)


def normalize(x, index):
    """Across 9 maps; layer.py divides the file's scale by the size."""
    constants = {"n": 9, "k": 1.0, "alpha": 0.001 / 9, "beta": 0.75}
    return LocalResponseNormalization(**constants, name=f"rnorm{index}")(x)


@keras.saving.register_keras_serializable(package="alexnet")
class LocallyConnected(keras.layers.Layer):
    """A convolution of 3x3, padding 1, whose weights no two places share.

    (batch, H, W, C) -> (batch, H, W, filters). The kernel is (H, W, 9 C,
    filters), a window's values row by row; the bias (H, W, filters).
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        """Adds the weights: N(0, 0.04^2), biases 0."""
        height, width, maps = input_shape[1:]
        self.kernel = self.add_weight(
            shape=(height, width, 9 * maps, self.filters),
            initializer=gaussian(0.04),  # initW
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(height, width, self.filters), initializer="zeros", name="bias"
        )

    def call(self, inputs):
        """See the class."""
        height, width = inputs.shape[1:3]
        padded = tf.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]])
        windows = tf.concat(
            [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)], axis=-1
        )
        return tf.einsum("bhwp,hwpf->bhwf", windows, self.kernel) + self.bias

    def macs(self, inputs: tuple, outputs: tuple) -> int:
        """Multiply-accumulates for one image: one for each weight."""
        return math.prod(self.kernel.shape)

    def compute_output_shape(self, input_shape):
        """As many places, `filters` maps."""
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        """The argument."""
        return super().get_config() | {"filters": self.filters}
