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

import keras

from common.errors import UsageError
from common.models.layers import Dropout, he_normal, symmetric_conv2d
from reproductions.wide_resnet.forms import FORMS, CifarForm, ImageNetForm


def build_model(
    variant: str,
    image_size: int,
    num_classes: int,
    form: CifarForm | ImageNetForm | None = None,
) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 224 pixels, CIFAR's 32."""
    form = form or FORMS[variant]
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
