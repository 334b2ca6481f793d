"""Wide residual networks, for CIFAR-10 and for ImageNet.

Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016.
https://arxiv.org/abs/1605.07146

Built from Table 1, Sections 2 and 3. On CIFAR-10 blocks are
pre-activated (BN-ReLU-conv), with dropout between the two convolutions; on
ImageNet they are those of He et al. 2015, with a width factor.

Not in the paper, and as in the release (szagoruyko/wide-residual-networks):
    * A block that changes the number of maps shares its first BN-ReLU between
      the residual and the projection; the projection has no normalisation.
    * Initial weights; the constants of batch normalisation.
In neither: WRN-68-3, by one source WRN-68-2, named as a member of the ILSVRC
2016 winner. What is built here is our reading of either name (deviations.toml).
"""

import dataclasses

import keras

from common.errors import UsageError
from common.models.layers import Dropout, he_normal, symmetric_conv2d


@dataclasses.dataclass(frozen=True, kw_only=True)
class CifarForm:
    """WRN-n-k of Table 1.

    Attributes:
        depth: n, 6 N + 4 with N blocks in each of three groups: the
            convolutions, projections included.
        width: k, times 16, 32 and 64 maps.
        dropout: Between the convolutions of a block; 0 for none. Sec. 3: 0.3
            for CIFAR, by cross-validation.
    """

    depth: int
    width: int
    dropout: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageNetForm:
    """A ResNet with wider blocks, Sec. 3.

    Attributes:
        blocks: In conv2 to conv5.
        bottleneck: 1x1, 3x3 and 1x1, of which the inner two are wider; else
            two 3x3, both wider.
        width: The factor.
    """

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    width: float


FORMS = {
    "cifar_wrn_28_10": CifarForm(depth=28, width=10, dropout=0.3),
    "cifar_wrn_28_10_no_dropout": CifarForm(depth=28, width=10, dropout=0.0),
    "cifar_wrn_16_8": CifarForm(depth=16, width=8, dropout=0.0),
    # Tables 5, 6 and 9.
    "cifar_wrn_40_4": CifarForm(depth=40, width=4, dropout=0.0),
    "cifar_wrn_16_4": CifarForm(depth=16, width=4, dropout=0.0),
    "cifar_wrn_16_4_dropout": CifarForm(depth=16, width=4, dropout=0.3),
    "cifar_wrn_52_1": CifarForm(depth=52, width=1, dropout=0.0),
    "cifar_wrn_52_1_dropout": CifarForm(depth=52, width=1, dropout=0.3),
    "cifar_wrn_40_10_dropout": CifarForm(depth=40, width=10, dropout=0.3),
    # Table 4, whose errors are of another preprocessing (ZCA).
    "cifar_wrn_40_1": CifarForm(depth=40, width=1, dropout=0.0),
    "cifar_wrn_40_2": CifarForm(depth=40, width=2, dropout=0.0),
    "cifar_wrn_40_8": CifarForm(depth=40, width=8, dropout=0.0),
    "cifar_wrn_28_12": CifarForm(depth=28, width=12, dropout=0.0),
    "cifar_wrn_22_8": CifarForm(depth=22, width=8, dropout=0.0),
    "cifar_wrn_22_10": CifarForm(depth=22, width=10, dropout=0.0),
    "cifar_wrn_16_10": CifarForm(depth=16, width=10, dropout=0.0),
    "wrn_50_2": ImageNetForm(blocks=(3, 4, 6, 3), bottleneck=True, width=2),
    # Table 7.
    "wrn_18_1": ImageNetForm(blocks=(2, 2, 2, 2), bottleneck=False, width=1),
    "wrn_18_1_5": ImageNetForm(blocks=(2, 2, 2, 2), bottleneck=False, width=1.5),
    "wrn_18_2": ImageNetForm(blocks=(2, 2, 2, 2), bottleneck=False, width=2),
    "wrn_18_3": ImageNetForm(blocks=(2, 2, 2, 2), bottleneck=False, width=3),
    "wrn_34_1": ImageNetForm(blocks=(3, 4, 6, 3), bottleneck=False, width=1),
    "wrn_34_1_5": ImageNetForm(blocks=(3, 4, 6, 3), bottleneck=False, width=1.5),
    "wrn_34_2": ImageNetForm(blocks=(3, 4, 6, 3), bottleneck=False, width=2),
    "wrn_68_3": ImageNetForm(blocks=(3, 4, 23, 3), bottleneck=False, width=3),
    "wrn_68_2": ImageNetForm(blocks=(3, 4, 23, 3), bottleneck=False, width=2),
}


def build_model(variant: str, image_size: int, num_classes: int) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 224 pixels, CIFAR's 32."""
    form = FORMS[variant]
    image = keras.Input((image_size, image_size, 3), name="image")
    build = cifar_maps if isinstance(form, CifarForm) else imagenet_maps
    x = keras.layers.GlobalAveragePooling2D(name="pool")(build(image, form))
    logits = keras.layers.Dense(
        num_classes,
        # torch's nn.Linear: uniform within 1 / sqrt(fan-in).
        kernel_initializer=keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
        name="fc",
        dtype="float32",
    )(x)
    return keras.Model(image, logits, name=variant)


def cifar_maps(image, form: CifarForm):
    """Table 1 up to the pooling: 32x32 images -> maps of 8x8.

    (batch, S, S, 3) -> (batch, ceil(S / 4), ceil(S / 4), 64 k)

    Raises:
        UsageError: if the depth is not 6 N + 4.
    """
    blocks, rest = divmod(form.depth - 4, 6)
    if rest:
        raise UsageError(f"A depth is 6 N + 4. Received: {form.depth}")
    x = convolution(image, 16, 3, 1, name="conv1")  # 32x32x16
    for group, filters in enumerate((16, 32, 64), 2):  # 32x32, 16x16, 8x8
        for index in range(1, blocks + 1):
            x = wide_block(
                x,
                filters * form.width,
                strides=2 if group > 2 and index == 1 else 1,
                dropout=form.dropout,
                name=f"conv{group}_{index}",
            )
    return normalized_relu(x, "last")


def wide_block(x, filters, *, strides, dropout, name):
    """B(3,3) of Sec. 2, pre-activated, with dropout (Sec. 2.4, Fig. 1(d)).

    (batch, H, W, C) -> (batch, H / strides, W / strides, filters)
    """
    y = normalized_relu(x, f"{name}_a")
    shortcut = x
    if x.shape[-1] != filters:
        shortcut = convolution(y, filters, 1, strides, name=f"{name}_shortcut")
    y = convolution(y, filters, 3, strides, name=f"{name}_a")
    y = normalized_relu(y, f"{name}_b")
    if dropout:
        y = Dropout(dropout, name=f"{name}_dropout")(y)
    y = convolution(y, filters, 3, 1, name=f"{name}_b")
    return keras.layers.Add(name=f"{name}_add")([shortcut, y])


def imagenet_maps(image, form: ImageNetForm):
    """A ResNet up to the pooling: 224x224 images -> maps of 7x7.

    (batch, S, S, 3) -> (batch, ceil(S / 32), ceil(S / 32), maps)
    """
    x = convolution(image, 64, 7, 2, name="conv1")  # 112x112x64, never wider
    x = normalized_relu(x, "conv1")
    x = keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = keras.layers.MaxPooling2D(3, strides=2, name="pool1")(x)  # 56x56x64
    block = wide_bottleneck if form.bottleneck else wide_basic
    for stage, blocks in enumerate(form.blocks, 2):  # 56, 28, 14, 7
        for index in range(1, blocks + 1):
            x = block(
                x,
                64 * 2 ** (stage - 2),
                width=form.width,
                strides=2 if stage > 2 and index == 1 else 1,
                name=f"conv{stage}_{index}",
            )
    return x


def wide_basic(x, filters, *, width, strides, name):
    """Two 3x3 convolutions, both wider.

    (batch, H, W, C) -> (batch, H / strides, W / strides, width * filters)
    """
    wide = int(width * filters)
    y = convolution(x, wide, 3, strides, name=f"{name}_a")
    y = normalized_relu(y, f"{name}_a")
    y = convolution(y, wide, 3, 1, name=f"{name}_b")
    return added(x, y, strides, last=f"{name}_b", name=name)


def wide_bottleneck(x, filters, *, width, strides, name):
    """1x1, 3x3 and 1x1, the first two wider; the stride is in the 3x3.

    (batch, H, W, C) -> (batch, H / strides, W / strides, 4 * filters)
    """
    wide = int(width * filters)
    y = convolution(x, wide, 1, 1, name=f"{name}_a")
    y = normalized_relu(y, f"{name}_a")
    y = convolution(y, wide, 3, strides, name=f"{name}_b")
    y = normalized_relu(y, f"{name}_b")
    y = convolution(y, 4 * filters, 1, 1, name=f"{name}_c")
    return added(x, y, strides, last=f"{name}_c", name=name)


def added(x, y, strides, *, last, name):
    """The end of a block of He et al. 2015: BN, the addition, ReLU.

    `last` is the convolution that y comes from; option B shortcuts.
    """
    filters = y.shape[-1]
    y = batch_norm(y, last)
    if x.shape[-1] != filters:
        x = convolution(x, filters, 1, strides, name=f"{name}_shortcut")
        x = batch_norm(x, f"{name}_shortcut")
    y = keras.layers.Add(name=f"{name}_add")([x, y])
    return keras.layers.ReLU(name=f"{name}_relu")(y)


def batch_norm(x, name):
    """Batch normalisation, called NAME_bn."""
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)


def normalized_relu(x, name):
    """Batch normalisation and ReLU, called NAME_bn and NAME_relu."""
    return keras.layers.ReLU(name=f"{name}_relu")(batch_norm(x, name))


def convolution(x, filters, kernel_size, strides, *, name):
    """A symmetric convolution without bias."""
    initial = he_normal()  # the release, since its commit "fix MSRA init"
    return symmetric_conv2d(
        x, filters, kernel_size, strides, use_bias=False, kernel_initializer=initial, name=name
    )
