"""ResNeXt and the ResNets of the same template, for ImageNet and CIFAR-10.

Xie, Girshick, Dollar, Tu and He, "Aggregated Residual Transformations for Deep
Neural Networks", CVPR 2017. https://arxiv.org/abs/1611.05431

Built from Table 1, Sections 3.3 and 4 and Appendix A. C x d is the paper's
template: cardinality C (groups of the 3x3 convolution) and width d (maps of one
group in the first stage; it doubles with each stage). The stride of a block is
in its 3x3, shortcuts are option B and batch normalisation follows every
convolution (Sec. 4).

Not in the paper: the constants of batch normalisation and the initial weights
of fc. They are those of the release, facebookresearch/ResNeXt.
"""

import keras

from common.models.layers import GroupedConv2D, he_normal, symmetric_conv2d
from reproductions.resnext.forms import FORMS, Form


def build_model(
    variant: str, image_size: int, num_classes: int, form: Form | None = None
) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 224 pixels, CIFAR's 32."""
    form = form or FORMS[variant]
    image = keras.Input((image_size, image_size, 3), name="image")
    if form.small_images:
        x = convolution(image, 64, 3, name="conv1")  # 32x32x64
    else:
        x = convolution(image, 64, 7, strides=2, name="conv1")  # 112x112x64
        x = keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
        x = keras.layers.MaxPooling2D(3, strides=2, name="pool1")(x)  # 56x56
    x = stages(x, form)  # 7x7x2048; CIFAR: 8x8x1024
    x = keras.layers.GlobalAveragePooling2D(name="pool5")(x)
    logits = keras.layers.Dense(
        num_classes,
        # torch's nn.Linear: uniform within 1 / sqrt(fan-in).
        kernel_initializer=keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
        name="fc",
        dtype="float32",
    )(x)
    return keras.Model(image, logits, name=variant)


def stages(x, form):
    """The repeated blocks: maps of 56, 28, 14 and 7 pixels, or 32, 16 and 8.

    Sec. 3.1: blocks of one stage are equal; where the map halves, the width
    of the blocks doubles.
    """
    for index, blocks in enumerate(form.blocks):
        for number in range(1, blocks + 1):
            x = block(
                x,
                cardinality=form.cardinality,
                width=form.width * 2**index,
                filters=256 * 2**index,
                strides=2 if index and number == 1 else 1,
                name=f"conv{index + 2}_{number}",
            )
    return x


def block(x, *, cardinality, width, filters, strides, name):
    """An aggregated residual transformation, Fig. 3(c) and Eq. 3.

    (batch, H, W, C) -> (batch, H / strides, W / strides, filters). Equal to
    the sum of `cardinality` paths of 1x1, 3x3 and 1x1 with `width` maps.
    """
    maps = cardinality * width
    y = convolution(x, maps, 1, name=f"{name}_a")
    y = convolution(y, maps, 3, strides=strides, groups=cardinality, name=f"{name}_b")
    y = convolution(y, filters, 1, relu=False, name=f"{name}_c")
    if x.shape[-1] != filters:  # option B
        x = convolution(x, filters, 1, strides=strides, relu=False, name=f"{name}_shortcut")
    y = keras.layers.Add(name=f"{name}_add")([x, y])
    return keras.layers.ReLU(name=f"{name}_relu")(y)


def convolution(x, filters, kernel_size, *, name, strides=1, groups=1, relu=True):
    """A symmetric convolution, its batch normalisation and, if asked for, ReLU."""
    x = symmetric_conv2d(
        x,
        filters,
        kernel_size,
        strides,
        layer=GroupedConv2D,
        groups=groups,
        use_bias=False,
        # Sec. 4: He et al. 2015; release: the maps of all groups are the fan.
        kernel_initializer=he_normal("fan_out"),
        name=name,
    )
    x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x
