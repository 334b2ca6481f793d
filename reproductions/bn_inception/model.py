"""BN-Inception, and the Inception that it is measured against.

Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by
Reducing Internal Covariate Shift", ICML 2015. https://arxiv.org/abs/1502.03167

Built from Figure 5, the Appendix and Section 4.2.

Differences from the paper:
    * Figure 5's filters of 4c, 4d and 4e sum to 608, 608 and 1056 maps, its
      output sizes say 576, 576 and 1024. The filters are built;
      `bn_inception_narrow` has the output sizes, as TF-slim's inception_v2.
Not in the paper:
    * Padding: as many zeros on either side, but for max pooling, which cuts
      its windows off at the border. Averages are over what there is.
    * Batch normalisation: epsilon 1e-3, moving averages that keep 0.9997.
    * LRN's places and constants and the place of dropout, where there are
      any: as in GoogLeNet, whose LRN is here as BVLC has it.
    * The initial weights: with batch normalisation those of TF-slim's
      inception_v2; without, those of GoogLeNet here, U(-r, r), r =
      sqrt(3 / fan_in), and biases of 0.2.
    * `bn_inception_caffe`, the network whose weights are public.
    * The spread of the "small random Gaussian values" that the weights of Sec.
      4.1's networks start with, and what is 1 in their binary images.
"""

import keras

from common.errors import UsageError
from common.models.blocks import classifier, gaussian
from common.models.layers import (
    BatchNormalization,
    Dropout,
    LocalResponseNormalization,
    symmetric_conv2d,
)
from reproductions.bn_inception.forms import FORMS, Form, MnistForm

# Figure 5: filters of 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3; the
# pooling and the filters of its projection. No 1x1: stride 2, no projection.
MODULES = {
    "3a": (64, 64, 64, 64, 96, "avg", 32),
    "3b": (64, 64, 96, 64, 96, "avg", 64),
    "3c": (0, 128, 160, 64, 96, "max", 0),
    "4a": (224, 64, 96, 96, 128, "avg", 128),
    "4b": (192, 96, 128, 96, 128, "avg", 128),
    "4c": (160, 128, 160, 128, 160, "avg", 128),
    "4d": (96, 128, 192, 160, 192, "avg", 128),
    "4e": (0, 128, 192, 192, 256, "max", 0),
    "5a": (352, 192, 320, 160, 224, "avg", 128),
    "5b": (352, 192, 320, 192, 224, "max", 128),
}
BIAS = 0.2  # bvlc_googlenet: bias_filler
# TF-slim, inception_v2: of truncated normal distributions, by the beginning or
# the end of a layer's name; of the others, variance 2 / fan_in.
DEVIATIONS = {"conv1": 1.0, "conv2_3x3_reduce": 0.1, "reduce": 0.09, "pool_proj": 0.1}

HIDDEN_UNITS = (100, 100, 100)  # Sec. 4.1
SPREAD = 0.1  # ours


def build_model(
    variant: str, image_size: int, num_classes: int, form: Form | MnistForm | None = None
) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 224 pixels.

    At other sizes the whole last map is averaged.

    Raises:
        UsageError: if bn_inception_caffe cannot halve images of this size.
    """
    form = form or FORMS[variant]
    if isinstance(form, MnistForm):
        return mnist_network(variant, form, image_size, num_classes)
    if form.caffe and -(-image_size // 2) % 16:  # conv1 rounds up, four more halve exactly
        raise UsageError(
            f"{variant} was asked to take images of {image_size}x{image_size} pixels. It takes "
            "31x31 and more, if four poolings after conv1 have maps of even sides: "
            "32, 64, 96 ... pixels. From odd ones Caffe's strided convolutions "
            "make a row more than its poolings."
        )
    image = keras.Input((image_size, image_size, 3), name="image")
    x = stem(image, form)  # 28x28x192
    for module in MODULES:  # 14x14 from 3c on, 7x7 from 4e on
        x = inception(x, form, module)
    x = keras.layers.AveragePooling2D(x.shape[1:3], 1, name="avg_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)  # 1024
    if form.as_googlenet:
        x = Dropout(0.4, name="dropout")(x)  # Sec. 4.2.3: 40 %
    logits = classifier(x, num_classes, initial_kernel(form, "classifier"), name="classifier")
    return keras.Model(image, logits, name=variant)


def mnist_network(variant: str, form: MnistForm, image_size: int, num_classes: int) -> keras.Model:
    """Three layers of 100 sigmoids on the zeros and ones of a binary image (Sec. 4.1).

    With batch normalisation between each layer's sum and its sigmoid (Sec. 3.2), which
    then has no bias, or without.
    """
    image = keras.Input((image_size, image_size, 1), name="image")
    x = keras.layers.Flatten(name="pixels")(image)  # 784
    for i, units in enumerate(HIDDEN_UNITS, 1):
        initial = gaussian(SPREAD)  # of each layer its own: one draws the same numbers again
        x = keras.layers.Dense(
            units, use_bias=not form.batch_norm, kernel_initializer=initial, name=f"hidden{i}"
        )(x)
        if form.batch_norm:
            x = BatchNormalization(momentum=0.9997, epsilon=1e-3, name=f"hidden{i}_bn")(x)
        x = keras.layers.Activation("sigmoid", name=f"hidden{i}_sigmoid")(x)
    logits = classifier(x, num_classes, gaussian(SPREAD), name="classifier")
    return keras.Model(image, logits, name=variant)


def initial_kernel(form, name) -> keras.initializers.Initializer:
    """Of a convolution or the classifier, by its name."""
    if not form.batch_norm:  # BVLC's "xavier"
        # Keras takes all three colours for the fan-in; a kernel sees one.
        scale = 3.0 if name == "conv1_depthwise" else 1.0
        return keras.initializers.VarianceScaling(scale, "fan_in", "uniform")
    for end, deviation in DEVIATIONS.items():
        if name.startswith(end) or name.endswith(end):
            return keras.initializers.TruncatedNormal(0.0, deviation)
    return keras.initializers.VarianceScaling(2.0, "fan_in")


def stem(image, form):
    """Figure 5's first four rows."""
    x = conv1(image, form)  # 112x112x64
    x = max_pool(x, "pool1")  # 56x56x64
    if form.as_googlenet:
        x = normalize(x, "norm1")
    x = convolution(x, form, 64, 1, name="conv2_3x3_reduce")
    x = convolution(x, form, 192, 3, name="conv2_3x3")  # 56x56x192
    if form.as_googlenet:
        x = normalize(x, "norm2")
    return max_pool(x, "pool2")  # 28x28x192


def conv1(image, form):
    """64 of 7x7, stride 2; separable: 8 for each colour, then 1x1 to 64."""
    if form.caffe:
        return convolution(image, form, 64, 7, 2, name="conv1_7x7")
    x = keras.layers.ZeroPadding2D(3, name="conv1_pad")(image)
    x = keras.layers.DepthwiseConv2D(
        7,
        strides=2,
        depth_multiplier=8,
        use_bias=False,
        depthwise_initializer=initial_kernel(form, "conv1_depthwise"),
        name="conv1_depthwise",
    )(x)
    return convolution(x, form, 64, 1, name="conv1_pointwise")


def convolution(x, form, filters, kernel_size, strides=1, *, name):
    """g(BN(W u)), Sec. 3.2; g(W u + b) without batch normalisation.

    (batch, H, W, C) -> (batch, ceil(H / strides), ceil(W / strides), filters)
    """
    x = symmetric_conv2d(
        x,
        filters,
        kernel_size,
        strides,
        use_bias=form.caffe or not form.batch_norm,
        kernel_initializer=initial_kernel(form, name),
        bias_initializer=keras.initializers.Constant(BIAS),
        name=name,
    )
    if form.batch_norm:
        epsilon = 1e-5 if form.caffe else 1e-3
        x = BatchNormalization(momentum=0.9997, epsilon=epsilon, name=f"{name}_bn")(x)
    activation = form.activation
    return keras.layers.Activation(activation, name=f"{name}_{activation}")(x)


def max_pool(x, name, strides=2):
    """3x3; at the border, what there is of the window (ceil(side / 2))."""
    return keras.layers.MaxPooling2D(3, strides, "same", name=name)(x)


def average_pool(x, form, name):
    """3x3, stride 1, to maps of the same size."""
    if not form.caffe:
        return keras.layers.AveragePooling2D(3, 1, "same", name=name)(x)
    x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return keras.layers.AveragePooling2D(3, 1, name=name)(x)


def normalize(x, name):
    """LRN with bvlc_googlenet's constants: the paper gives none."""
    return LocalResponseNormalization(n=5, k=1.0, alpha=1e-4 / 5, beta=0.75, name=name)(x)


def inception(x, form, module):
    """A module of Figure 5; its maps in the order of the table.

    Without 1x1 filters (3c, 4e) it halves the maps, and the pooled ones pass
    through.
    """
    ones, reduce3, threes, reduce33, doubles, *_ = MODULES[module]
    name = f"inception_{module}"
    strides = 1 if ones else 2
    branches = []
    if ones:
        branches.append(convolution(x, form, ones, 1, name=f"{name}_1x1"))
    y = convolution(x, form, reduce3, 1, name=f"{name}_3x3_reduce")
    y = convolution(y, form, threes, 3, strides, name=f"{name}_3x3")
    branches.append(y)
    double = f"{name}_double_3x3"
    y = convolution(x, form, reduce33, 1, name=f"{double}_reduce")
    y = convolution(y, form, doubles, 3, name=f"{double}_1")
    y = convolution(y, form, doubles, 3, strides, name=f"{double}_2")
    branches += [y, pooled(x, form, module, strides)]
    return keras.layers.Concatenate(name=f"{name}_output")(branches)


def pooled(x, form, module, strides):
    """The last branch of a module: pooling, and its projection if any."""
    *_, kind, projection = MODULES[module]
    name = f"inception_{module}_pool"
    if kind == "avg":
        x = average_pool(x, form, name)
    else:
        x = max_pool(x, name, strides)
    if form.narrow and module in ("4c", "4d"):
        projection = 96  # as Figure 5's output sizes need it
    if projection:
        x = convolution(x, form, projection, 1, name=f"{name}_proj")
    return x
