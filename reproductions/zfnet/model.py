"""ZFNet: AlexNet with smaller windows, closer together, in its first two layers.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks",
arXiv:1311.2901 (2013); ECCV 2014. Built from Figure 3 and Section 3.

Differences from the paper:
    * Figure 3 ends in a softmax; the network here ends in logits.
    * Where zeros are padded follows from the printed sizes: one pixel around
      the image (224 -> 110), none before layer 2 (55 -> 26), and poolings that
      round up, as cuda-convnet's do (110 -> 55, 26 -> 13).
"""

import keras

from common.models.blocks import classifier, gaussian
from common.models.layers import Dropout, LocalResponseNormalization
from reproductions.zfnet.forms import FORMS, Form

# Of all weights (Sec. 3: "initialized to 10^-2"); biases start at 0.
STDDEV = 0.01
SMALLEST_IMAGE = dict.fromkeys(FORMS, 47)  # 22, 11, 4, 2, 1


def build_model(
    variant: str, image_size: int, num_classes: int, form: Form | None = None
) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 224 pixels."""
    form = form or FORMS[variant]
    image = keras.Input((image_size, image_size, 3), name="image")
    x = keras.layers.ZeroPadding2D(1, name="pad1")(image)
    x = convolution(x, 1, 96, 7, strides=2)  # 110x110x96
    x = contrast_norm(pool(x, 1), 1)  # 55x55x96
    x = convolution(x, 2, 256, 5, strides=2)  # 26x26x256
    x = contrast_norm(pool(x, 2), 2)  # 13x13x256
    for index, filters in enumerate(form.maps, 3):  # 13x13
        x = convolution(x, index, filters, 3, padding="same")
    x = pool(x, 5)  # 6x6x256
    x = keras.layers.Flatten(name="flatten")(x)  # 9216
    for index in (6, 7):
        initial = gaussian(STDDEV)
        x = keras.layers.Dense(form.units, "relu", kernel_initializer=initial, name=f"fc{index}")(x)
        x = Dropout(form.dropout, name=f"drop{index}")(x)
    logits = classifier(x, num_classes, gaussian(STDDEV), name="fc8")
    return keras.Model(image, logits, name=variant)


def convolution(x, index, filters, kernel_size, *, strides=1, padding="valid"):
    """conv`index` and its ReLU; every map sees every map (Sec. 3)."""
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding,
        activation="relu",
        kernel_initializer=gaussian(STDDEV),
        kernel_constraint=MaxFilterRms(0.1),
        name=f"conv{index}",
    )(x)


def pool(x, index):
    """Maxima of 3x3, two apart; an even side gets a last window that overhangs."""
    padding = "valid" if x.shape[1] % 2 else "same"
    return keras.layers.MaxPooling2D(3, 2, padding, name=f"pool{index}")(x)


def contrast_norm(x, index):
    """Across maps (Fig. 3), with AlexNet's constants: the paper names none."""
    return LocalResponseNormalization(n=5, k=2.0, alpha=1e-4, beta=0.75, name=f"norm{index}")(x)


@keras.saving.register_keras_serializable(package="zfnet")
class MaxFilterRms(keras.constraints.Constraint):
    """A filter whose root mean square exceeds `radius` is scaled back to it (Sec. 3).

    (height, width, maps, filters) -> the same shape, after every update.
    """

    def __init__(self, radius: float):
        self.radius = radius

    def __call__(self, kernel):
        """The kernel with no filter above the radius."""
        mean = keras.ops.mean(keras.ops.square(kernel), axis=(0, 1, 2), keepdims=True)
        rms = keras.ops.sqrt(mean)
        return keras.ops.where(rms > self.radius, kernel * (self.radius / rms), kernel)

    def get_config(self):
        """The radius."""
        return {"radius": self.radius}
