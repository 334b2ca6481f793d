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

import keras
import tensorflow as tf

from common.models.blocks import classifier, gaussian
from common.models.layers import Dropout, GroupedConv2D, LocalResponseNormalization
from reproductions.alexnet import cifar
from reproductions.alexnet.forms import FORMS, Form

# What leaves one place after the third pooling.
SMALLEST_IMAGE = dict.fromkeys(FORMS, 64) | {"alexnet_non_overlapping": 36}


def build_model(
    variant: str, image_size: int, num_classes: int, form: Form | None = None
) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 224 pixels.

    The networks for CIFAR-10 are in cifar.py.
    """
    if variant in cifar.FORMS:
        return cifar.build_network(variant, image_size, num_classes)
    form = form or FORMS[variant]
    image = keras.Input((image_size, image_size, 3), name="image")
    x = keras.layers.ZeroPadding2D(((0, 3), (0, 3)), name="pad1")(image)
    x = convolution(x, form, 1, kernel_size=11, strides=4)  # 55x55x96
    for layer in form.after_conv1:  # 27x27x96
        x = add(layer, x, form, 1)
    x = convolution(x, form, 2, kernel_size=5, groups=form.towers)
    for layer in form.after_conv2:  # 13x13x256
        x = add(layer, x, form, 2)
    for index, groups in ((3, 1), (4, form.towers), (5, form.towers)):  # 13x13
        x = add("relu", convolution(x, form, index, groups=groups), form, index)
    x = add("pool", x, form, 5)  # 6x6x256
    x = keras.layers.Flatten(name="flatten")(x)  # 9216
    x = hidden_layer(x, form, 6)
    x = hidden_layer(x, form, 7)
    logits = classifier(x, num_classes, gaussian(0.01), name="fc8")  # Sec. 5
    return keras.Model(image, logits, name=variant)


def add(layer, x, form, index):
    """A layer behind conv`index`."""
    if layer == "relu":
        return keras.layers.ReLU(name=f"relu{index}")(x)
    if layer == "pool":  # maxima, two apart (Sec. 3.4)
        size = 3 if form.overlapping else 2
        return keras.layers.MaxPooling2D(size, strides=2, name=f"pool{index}")(x)
    if layer == "spatial":  # across 5x5 places, which the paper does not mention (layers-145.cfg)
        constants = {"size": 5, "k": 1.0, "alpha": 1e-3 / 25, "beta": 0.75}
        return SpatialResponseNormalization(**constants, name=f"spatial{index}")(x)
    if not form.lrn:
        return x
    constants = {"k": form.lrn_k, "alpha": form.lrn_alpha, "groups": form.lrn_groups}
    lrn = LocalResponseNormalization(n=5, beta=0.75, **constants, name=f"norm{index}")
    return lrn(x)  # across 5 maps (Sec. 3.3)


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
    if form.halved and form.dropout:
        x = keras.layers.Rescaling(1 - form.dropout, name=f"halve{index}")(x)
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
        names = ("size", "k", "alpha", "beta")
        return super().get_config() | {name: getattr(self, name) for name in names}
