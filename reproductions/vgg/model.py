"""VGG, configurations A, A-LRN, B, C, D and E, and B with 5x5.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015 (arXiv:1409.1556v6).

Built from Table 1 and Sections 2.1, 2.2 and 3.1.

Differences from the paper:
    * Table 1 ends in a softmax; the network here ends in logits, and the loss
      and the test views hold the softmax.
    * Sec. 3.1 says that initial weights have "10^-2 variance". The standard
      deviation is 10^-2 here: see deviations.toml and the README.
"""

import keras

from common.models.blocks import classifier, gaussian
from common.models.layers import Dropout, LocalResponseNormalization
from reproductions.vgg.forms import FORMS, Configuration

FILTERS = (64, 128, 256, 512, 512)  # Table 1, blocks 1 to 5
SMALLEST_IMAGE = dict.fromkeys(FORMS, 32)  # five poolings halve it to 1
# Sec. 3.1, the note that was added later; all others are drawn from a normal
# distribution.
GLOROT = ("vgg11_glorot", "vgg16_glorot")


def build_model(
    variant: str, image_size: int, num_classes: int, form: Configuration | None = None
) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 224 pixels."""
    column = form or FORMS[variant]
    image = x = keras.Input((image_size, image_size, 3), name="image")
    for block in range(1, 6):  # 112x112x64, 56x56x128, 28x28x256, 14x14x512
        x = conv_block(x, column, block, variant=variant)
    x = keras.layers.Flatten(name="flatten")(x)  # of 7x7x512: 25088
    for index in (6, 7):  # 4096 units, ReLU, dropout (Sec. 2.1, 3.1)
        initial = initial_kernel(variant)
        x = keras.layers.Dense(4096, "relu", kernel_initializer=initial, name=f"fc{index}")(x)
        x = Dropout(column.dropout, name=f"drop{index}")(x)
    logits = classifier(x, num_classes, initial_kernel(variant), name="fc8")
    return keras.Model(image, logits, name=variant)


def initial_kernel(variant: str) -> keras.initializers.Initializer:
    """N(0, 0.01^2) (Sec. 3.1), or Glorot and Bengio's; biases start at 0.

    Theirs is uniform within the root of 6 / (fan in + fan out).
    """
    if variant in GLOROT:
        return keras.initializers.GlorotUniform()
    return gaussian(0.01)


def conv_block(x, column: Configuration, block: int, *, variant: str):
    """Convolutions with ReLU, then pooling (Sec. 2.1, Table 1).

    (batch, H, W, C) -> (batch, H // 2, W // 2, FILTERS[block - 1])
    """
    for place in range(1, column.convs[block - 1] + 1):
        x = keras.layers.Conv2D(
            FILTERS[block - 1],
            column.third_kernel if place == 3 else column.kernel,
            padding="same",  # 1 pixel for 3x3, none for 1x1: Sec. 2.1
            activation="relu",
            kernel_initializer=initial_kernel(variant),
            name=f"conv{block}_{place}",
        )(x)
        if column.lrn and (block, place) == (1, 1):
            # Sec. 2.1: "where applicable", the constants of AlexNet.
            x = LocalResponseNormalization(n=5, k=2.0, alpha=1e-4, beta=0.75, name="norm1")(x)
    return keras.layers.MaxPooling2D(2, strides=2, name=f"pool{block}")(x)
