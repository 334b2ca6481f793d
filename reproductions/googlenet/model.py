"""GoogLeNet.

Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke and Rabinovich,
"Going Deeper with Convolutions", arXiv:1409.4842, 2014.

Built from Table 1, Figure 3 and Section 5.

Differences from the paper:
    * Rows and columns of zeros on both sides of conv1's input alike, as in
      Caffe; where Figure 3 says SAME without saying which side gets more.
Not in the paper:
    * The constants of LRN, from BVLC's bvlc_googlenet: n = 5, k = 1, alpha =
      1e-4 / 5, beta = 0.75.
    * The initial weights, from there too: U(-r, r) with r = sqrt(3 / fan_in),
      biases 0.2, in the three classifiers 0.
    * `googlenet_separable` has what the first row of Table 1 counts (2.7K
      parameters, 34M multiply-adds): a 7x7 convolution of each colour by
      itself into 8 maps, then 1x1 to 64. The paper writes of a 7x7.
"""

import keras

from common.models.blocks import classifier
from common.models.layers import Dropout, LocalResponseNormalization
from reproductions.googlenet.forms import FORMS, Form

# Table 1: filters of 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
BIAS = 0.2  # bvlc_googlenet: bias_filler


def build_model(
    variant: str, image_size: int, num_classes: int, form: Form | None = None
) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 224 pixels.

    Three logits: of the network, of the classifier on 4a and of that on 4d; without
    auxiliary classifiers the first. At other sizes the whole last map is averaged, and the
    auxiliary dense layers fit their maps.
    """
    form = form or FORMS[variant]
    image = keras.Input((image_size, image_size, 3), name="image")
    x = (separable_conv1 if form.separable else plain_conv1)(image)  # 112x112x64
    x = inception(stem(x, form), "3a")  # 28x28x256
    x = inception(x, "3b")  # 28x28x480
    x = max_pool(x, "pool3")  # 14x14x480
    x = inception(x, "4a")  # 14x14x512
    heads = auxiliary_classifiers(x, form, num_classes, "aux1")
    x = inception(x, "4b")  # 14x14x512
    x = inception(x, "4c")  # 14x14x512
    x = inception(x, "4d")  # 14x14x528
    heads += auxiliary_classifiers(x, form, num_classes, "aux2")
    x = inception(x, "4e")  # 14x14x832
    x = max_pool(x, "pool4")  # 7x7x832
    x = inception(x, "5a")  # 7x7x832
    x = inception(x, "5b")  # 7x7x1024
    x = keras.layers.AveragePooling2D(x.shape[1:3], 1, name="pool5")(x)
    x = keras.layers.Flatten(name="flatten")(x)  # 1024
    x = Dropout(form.dropout, name="dropout")(x)
    logits = classifier(x, num_classes, xavier(), name="classifier")
    return keras.Model(image, [logits, *heads] if heads else logits, name=variant)


def xavier(scale: float = 1.0) -> keras.initializers.Initializer:
    """U(-r, r), r = sqrt(3 scale / fan_in): Caffe's "xavier" at 1."""
    return keras.initializers.VarianceScaling(scale, "fan_in", "uniform")


def convolution(x, filters, kernel_size, name, **options):
    """A convolution and its ReLU; Sec. 5: all of them have one."""
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        activation="relu",
        kernel_initializer=xavier(),
        bias_initializer=keras.initializers.Constant(BIAS),
        name=name,
        **{"padding": "same"} | options,
    )(x)


def plain_conv1(image):
    """64 of 7x7x3, stride 2: 9,408 weights."""
    x = keras.layers.ZeroPadding2D(3, name="conv1_pad")(image)
    return convolution(x, 64, 7, "conv1_7x7", strides=2, padding="valid")


def separable_conv1(image):
    """8 of 7x7 for each colour, stride 2, then 1x1: 2,712 weights."""
    x = keras.layers.ZeroPadding2D(3, name="conv1_pad")(image)
    x = keras.layers.DepthwiseConv2D(
        7,
        strides=2,
        depth_multiplier=8,
        use_bias=False,
        # Keras takes all three colours for the fan-in; a kernel sees one.
        depthwise_initializer=xavier(3.0),
        name="conv1_depthwise",
    )(x)
    return convolution(x, 64, 1, "conv1_pointwise")


# Four halvings, rounded up, leave 5 of 65 for the auxiliary classifiers' 5x5 pooling.
SMALLEST_IMAGE = dict.fromkeys(FORMS, 65)


def max_pool(x, name, strides=2):
    """3x3; at the border, what there is of the window (ceil(side / 2))."""
    return keras.layers.MaxPooling2D(3, strides, "same", name=name)(x)


def normalize(x, form, name):
    """LRN with bvlc_googlenet's constants: the paper gives none."""
    if not form.lrn:
        return x
    return LocalResponseNormalization(n=5, k=1.0, alpha=1e-4 / 5, beta=0.75, name=name)(x)


def stem(x, form):
    """From conv1 to 28x28x192 (Fig. 3): LRN after pool1 and before pool2."""
    x = normalize(max_pool(x, "pool1"), form, "norm1")  # 56x56x64
    x = convolution(x, 64, 1, "conv2_3x3_reduce")
    x = convolution(x, 192, 3, "conv2_3x3")
    return max_pool(normalize(x, form, "norm2"), "pool2")  # 28x28x192


def inception(x, module):
    """An Inception module (Fig. 2b); its maps in the order of the table."""
    ones, reduce3, threes, reduce5, fives, projection = MODULES[module]
    name = f"inception_{module}"
    branch1 = convolution(x, ones, 1, f"{name}_1x1")
    branch3 = convolution(x, reduce3, 1, f"{name}_3x3_reduce")
    branch3 = convolution(branch3, threes, 3, f"{name}_3x3")
    branch5 = convolution(x, reduce5, 1, f"{name}_5x5_reduce")
    branch5 = convolution(branch5, fives, 5, f"{name}_5x5")
    pooled = max_pool(x, f"{name}_pool", strides=1)
    pooled = convolution(pooled, projection, 1, f"{name}_pool_proj")
    join = keras.layers.Concatenate(name=f"{name}_output")
    return join([branch1, branch3, branch5, pooled])


def auxiliary_classifiers(x, form, num_classes, name):
    """One, or none. Sec. 5: pooling, 1x1, dense, 70 % dropped, logits."""
    if not form.auxiliary:
        return []
    x = keras.layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)  # 4x4
    x = convolution(x, 128, 1, f"{name}_conv")
    x = keras.layers.Flatten(name=f"{name}_flatten")(x)  # 2048
    x = keras.layers.Dense(
        1024,
        activation="relu",
        kernel_initializer=xavier(),
        bias_initializer=keras.initializers.Constant(BIAS),
        name=f"{name}_fc",
    )(x)
    x = Dropout(0.7, name=f"{name}_dropout")(x)
    return [classifier(x, num_classes, xavier(), name=f"{name}_classifier")]
