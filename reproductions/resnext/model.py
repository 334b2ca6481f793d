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

import dataclasses

import keras

from common.models.layers import GroupedConv2D
from reproductions.resnext.recipe import RECIPES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """What tells the networks of the paper apart.

    Attributes:
        blocks: Of each stage, conv2 and on.
        cardinality: C, the groups of the 3x3 convolutions; 1 is a ResNet.
        width: d, maps of one group in conv2.
        small_images: CIFAR's stem, 3x3, instead of 7x7 and pooling.
    """

    blocks: tuple[int, ...]
    cardinality: int
    width: int
    small_images: bool = False


def _imagenet(blocks: tuple[int, ...], cardinality: int, width: int) -> Form:
    return Form(blocks=blocks, cardinality=cardinality, width=width)


def _cifar(cardinality: int, width: int) -> Form:
    return Form(
        blocks=(3, 3, 3),
        cardinality=cardinality,
        width=width,
        small_images=True,
    )


LAYERS50, LAYERS101 = (3, 4, 6, 3), (3, 4, 23, 3)  # Table 1; ResNet's
FORMS = {
    "resnext50_32x4d": _imagenet(LAYERS50, 32, 4),
    "resnext50_8x14d": _imagenet(LAYERS50, 8, 14),
    "resnext50_4x24d": _imagenet(LAYERS50, 4, 24),
    "resnext50_2x40d": _imagenet(LAYERS50, 2, 40),
    "resnet50_1x64d": _imagenet(LAYERS50, 1, 64),
    "resnext101_32x4d": _imagenet(LAYERS101, 32, 4),
    "resnext101_8x14d": _imagenet(LAYERS101, 8, 14),
    "resnext101_4x24d": _imagenet(LAYERS101, 4, 24),
    "resnext101_2x40d": _imagenet(LAYERS101, 2, 40),
    "resnet101_1x64d": _imagenet(LAYERS101, 1, 64),
    "resnext101_64x4d": _imagenet(LAYERS101, 64, 4),
    "resnext101_2x64d": _imagenet(LAYERS101, 2, 64),
    "resnet101_1x100d": _imagenet(LAYERS101, 1, 100),
    "cifar_resnext29_8x64d": _cifar(8, 64),
    "cifar_resnext29_16x64d": _cifar(16, 64),
}


def build_model(
    variant: str,
    *,
    image_size: int | None = None,
    num_classes: int | None = None,
) -> keras.Model:
    """(batch, S, S, 3) images -> (batch, num_classes) logits.

    Sizes in the comments are for S = 224, of CIFAR's for S = 32. Every S
    works. Logits are float32 under any dtype policy.

    Args:
        variant: A key of RECIPES.
        image_size: S; None is the recipe's.
        num_classes: None is the recipe's.
    """
    recipe, form = RECIPES[variant], FORMS[variant]
    size = image_size or recipe.image_size
    image = keras.Input((size, size, 3), name="image")
    if form.small_images:
        x = convolution(image, 64, 3, name="conv1")  # 32x32x64
    else:
        x = convolution(image, 64, 7, strides=2, name="conv1")  # 112x112x64
        x = keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
        x = keras.layers.MaxPooling2D(3, strides=2, name="pool1")(x)  # 56x56
    x = stages(x, form)  # 7x7x2048; CIFAR: 8x8x1024
    x = keras.layers.GlobalAveragePooling2D(name="pool5")(x)
    logits = keras.layers.Dense(
        num_classes or recipe.num_classes,
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
    """A convolution, its batch normalisation and, if asked for, ReLU.

    Padded by kernel_size // 2 on all sides: (batch, H, W, C) ->
    (batch, ceil(H / strides), ceil(W / strides), filters).
    """
    if kernel_size > 1 and strides > 1:  # `same` would pad less at the top
        x = keras.layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
    x = GroupedConv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="valid" if strides > 1 else "same",
        groups=groups,
        use_bias=False,
        # Sec. 4: He et al. 2015; release: the maps of all groups are the fan.
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
        name=name,
    )(x)
    x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x
