"""AlexNet.

Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep
Convolutional Neural Networks", NIPS 2012.

Built from Figure 2 and Sections 3.1 to 3.5, 4.2 and 5; the form `as_run` from
net 145 of the authors' source (computerhistory/AlexNet-Source-Code), the Caffe
forms from BVLC's prototxts.

Differences from the paper:
    * The two GPU towers are one network with `groups=2` in conv2, conv4 and
      conv5: the same sums, on one device.
    * 3 rows and columns of zeros at the right and bottom of the 224x224 input:
      the paper's 55x55 needs 227, and its code lets the last window overhang.
    * LRN sums run over all maps of a layer, as its formula says. The authors'
      code stops at the tower's edge; so does `alexnet_as_run`.
"""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from common.models.layers import Dropout, GroupedConv2D, LocalResponseNormalization
from reproductions.alexnet import cifar


def relu(x, form, index):
    """Of conv`index`."""
    return keras.layers.ReLU(name=f"relu{index}")(x)


def norm(x, form, index):
    """Across 5 maps (Sec. 3.3)."""
    return LocalResponseNormalization(
        n=5,
        k=form.lrn_k,
        alpha=form.lrn_alpha,
        beta=0.75,
        groups=form.lrn_groups,
        name=f"norm{index}",
    )(x)


def spatial(x, form, index):
    """Across 5x5 places, which the paper does not mention (layers-145.cfg)."""
    return SpatialResponseNormalization(
        size=5, k=1.0, alpha=1e-3 / 25, beta=0.75, name=f"spatial{index}"
    )(x)


def pool(x, form, index):
    """Maxima, two apart (Sec. 3.4)."""
    return keras.layers.MaxPooling2D(form.pool_size, strides=2, name=f"pool{index}")(x)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """What tells the forms of the network apart.

    Attributes:
        filters: Kernels of conv1 to conv5, of all towers together.
        towers: Groups of conv2, conv4 and conv5.
        after_conv1: Layers between conv1 and conv2, in order.
        after_conv2: Layers between conv2 and conv3.
        lrn_k: k of the paper's formula.
        lrn_alpha: Its alpha, multiplying the plain sum of squares.
        lrn_groups: Blocks of maps that the sum stays in.
        pool_size: Side of the pooling window; its stride is 2.
        conv345_std: Of the initial weights of conv3, conv4 and conv5.
        fc67_std: Of the initial weights of fc6 and fc7.
        bias: Initial bias of conv2, conv4, conv5, fc6 and fc7.
        dropout: The share of fc6's and fc7's outputs that training drops.
        halved: Outputs are halved at test time and not doubled in training.
    """

    filters: tuple[int, ...]
    towers: int
    after_conv1: tuple[Callable, ...]
    after_conv2: tuple[Callable, ...]
    lrn_k: float
    lrn_alpha: float
    lrn_groups: int
    pool_size: int
    conv345_std: float
    fc67_std: float
    bias: float
    dropout: float
    halved: bool


PAPER = Form(
    filters=(96, 256, 384, 384, 256),  # Sec. 3.5
    towers=2,  # Sec. 3.2
    after_conv1=(relu, norm, pool),  # Sec. 3.3, 3.5
    after_conv2=(relu, norm, pool),
    lrn_k=2.0,  # Sec. 3.3
    lrn_alpha=1e-4,
    lrn_groups=1,
    pool_size=3,  # Sec. 3.4
    conv345_std=0.01,  # Sec. 5
    fc67_std=0.01,
    bias=1.0,
    dropout=0.5,  # Sec. 4.2
    halved=True,
)
CAFFE = dataclasses.replace(
    PAPER,
    lrn_k=1.0,  # caffe.proto's default
    lrn_alpha=2e-5,  # 1e-4 / n: Caffe takes the mean over the window
    fc67_std=0.005,
    bias=0.1,  # 1 gave a flat loss
    halved=False,
)
FORMS = {
    "alexnet": PAPER,
    "alexnet_as_run": dataclasses.replace(
        PAPER,
        after_conv1=(norm, pool, relu),
        after_conv2=(relu, norm, spatial, pool),
        lrn_alpha=2e-5,  # layer.py divides 1e-4 by n
        lrn_groups=2,
        conv345_std=0.03,
    ),
    # Every map sees every map below: the slides' counts.
    "alexnet_1tower": dataclasses.replace(PAPER, towers=1),
    "alexnet_no_lrn": dataclasses.replace(
        PAPER, after_conv1=(relu, pool), after_conv2=(relu, pool)
    ),
    # 55 -> 27 -> 13 -> 6 as before; the last row and column of 55, 27 and 13
    # are in no window.
    "alexnet_non_overlapping": dataclasses.replace(PAPER, pool_size=2),
    # Sec. 4.2: "Without dropout, our network exhibits substantial overfitting."
    "alexnet_no_dropout": dataclasses.replace(PAPER, dropout=0.0, halved=False),
    "bvlc_alexnet": CAFFE,
    "caffenet": dataclasses.replace(
        CAFFE, after_conv1=(relu, pool, norm), after_conv2=(relu, pool, norm), bias=1.0
    ),
    # Sec. 3.2, its footnote: half the kernels up to conv4, on one GPU.
    "alexnet_1gpu": dataclasses.replace(PAPER, filters=(48, 128, 192, 192, 256), towers=1),
}


# What leaves one place after the third pooling.
SMALLEST_IMAGE = dict.fromkeys(FORMS, 64) | {"alexnet_non_overlapping": 36}


def build_model(variant: str, image_size: int, num_classes: int) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 224 pixels.

    The networks for CIFAR-10 are in cifar.py.
    """
    if variant in cifar.FORMS:
        return cifar.build_network(variant, image_size, num_classes)
    form = FORMS[variant]
    image = keras.Input((image_size, image_size, 3), name="image")
    x = keras.layers.ZeroPadding2D(((0, 3), (0, 3)), name="pad1")(image)
    x = convolution(x, form, 1, kernel_size=11, strides=4)  # 55x55x96
    for layer in form.after_conv1:  # 27x27x96
        x = layer(x, form, 1)
    x = convolution(x, form, 2, kernel_size=5, groups=form.towers)
    for layer in form.after_conv2:  # 13x13x256
        x = layer(x, form, 2)
    x = relu(convolution(x, form, 3), form, 3)  # 13x13x384, sees both towers
    x = relu(convolution(x, form, 4, groups=form.towers), form, 4)
    x = relu(convolution(x, form, 5, groups=form.towers), form, 5)
    x = pool(x, form, 5)  # 6x6x256
    x = keras.layers.Flatten(name="flatten")(x)  # 9216
    x = hidden_layer(x, form, 6)
    x = hidden_layer(x, form, 7)
    logits = keras.layers.Dense(
        num_classes, kernel_initializer=gaussian(0.01), name="fc8", dtype="float32"
    )(x)
    return keras.Model(image, logits, name=variant)


def gaussian(std: float) -> keras.initializers.Initializer:
    """N(0, std^2), Sec. 5."""
    return keras.initializers.RandomNormal(0.0, std)


def convolution(x, form, index, *, kernel_size=3, strides=1, groups=1):
    """conv`index`, without its ReLU.

    conv1 keeps to the (padded) image; the others keep the size.
    """
    return GroupedConv2D(
        form.filters[index - 1],
        kernel_size,
        strides=strides,
        padding="valid" if index == 1 else "same",
        groups=groups,
        kernel_initializer=gaussian(form.conv345_std if index > 2 else 0.01),
        bias_initializer=keras.initializers.Constant(form.bias if index in (2, 4, 5) else 0.0),
        name=f"conv{index}",
    )(x)


def hidden_layer(x, form, index):
    """fc6 or fc7: 4096 units, ReLU, dropout (Sec. 4.2).

    The paper drops in training and halves in testing. Halving what inverted
    dropout gives (0 or twice the value; the value itself in testing) is the
    same, exactly.
    """
    x = keras.layers.Dense(
        4096,
        activation="relu",
        kernel_initializer=gaussian(form.fc67_std),
        bias_initializer=keras.initializers.Constant(form.bias),
        name=f"fc{index}",
    )(x)
    x = Dropout(form.dropout, name=f"drop{index}")(x)
    if form.halved:
        x = keras.layers.Rescaling(0.5, name=f"halve{index}")(x)
    return x


@keras.saving.register_keras_serializable(package="alexnet")
class SpatialResponseNormalization(keras.layers.Layer):
    """b = a / (k + alpha * sum of a^2 over size x size places)^beta.

    Each map by itself; windows centred on the place, cut at the border. Layer
    cnorm2 of layers-145.cfg, between rnorm2 and pool2.

    (batch, H, W, C) -> the same shape; computed in float32.
    """

    def __init__(self, *, size, k, alpha, beta, **kwargs):
        super().__init__(**kwargs)
        self.size, self.k, self.alpha, self.beta = size, k, alpha, beta

    def call(self, inputs):
        """Normalises."""
        a = tf.cast(inputs, tf.float32)
        side = [self.size // 2, self.size // 2]
        squares = tf.pad(tf.square(a), [[0, 0], side, side, [0, 0]])
        mean = tf.nn.avg_pool2d(squares, self.size, 1, "VALID")
        scale = self.k + self.alpha * self.size**2 * mean
        return tf.cast(a * tf.pow(scale, -self.beta), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """The input's."""
        return input_shape

    def get_config(self):
        """The constants."""
        return super().get_config() | {
            "size": self.size,
            "k": self.k,
            "alpha": self.alpha,
            "beta": self.beta,
        }
