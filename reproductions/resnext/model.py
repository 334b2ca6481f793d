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

from common.models import blocks
from common.models.layers import GroupedConv2D, he_normal
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
        x = blocks.padded_pool(x)  # 56x56
    # Maps of 56, 28, 14 and 7 pixels, or 32, 16 and 8. Sec. 3.1: blocks of one stage are
    # equal; where the map halves, the width of the blocks doubles.
    for stage, index, strides in blocks.each_block(form.blocks):
        width, filters = (maps * 2 ** (stage - 1) for maps in (form.width, 256))
        paths = {"cardinality": form.cardinality, "width": width, "filters": filters}
        shape = {"strides": strides, "shortcut": form.shortcuts}
        x = block(x, **paths, **shape, name=f"conv{stage + 1}_{index}")
    x = keras.layers.GlobalAveragePooling2D(name="pool5")(x)
    logits = blocks.classifier(x, num_classes, blocks.torch_linear())
    return keras.Model(image, logits, name=variant)


def block(x, *, cardinality, width, filters, strides, name, shortcut=True):
    """An aggregated residual transformation, Fig. 3(c) and Eq. 3.

    (batch, H, W, C) -> (batch, H / strides, W / strides, filters). Equal to
    the sum of `cardinality` paths of 1x1, 3x3 and 1x1 with `width` maps, to
    which the input is added unless `shortcut` is false (Sec. 5.1).
    """
    maps = cardinality * width
    y = convolution(x, maps, 1, name=f"{name}_a")
    y = convolution(y, maps, 3, strides=strides, groups=cardinality, name=f"{name}_b")
    y = convolution(y, filters, 1, relu=False, name=f"{name}_c")
    if shortcut:
        if x.shape[-1] != filters:  # option B
            x = convolution(x, filters, 1, strides=strides, relu=False, name=f"{name}_shortcut")
        y = keras.layers.Add(name=f"{name}_add")([x, y])
    return keras.layers.ReLU(name=f"{name}_relu")(y)


def convolution(x, filters, kernel_size, *, name, strides=1, groups=1, relu=True):
    """A symmetric convolution, its batch normalisation and, if asked for, ReLU."""
    # Sec. 4: He et al. 2015; release: the maps of all groups are the fan.
    options = {"initial": he_normal("fan_out"), "layer": GroupedConv2D, "groups": groups}
    x = blocks.convolution(x, filters, kernel_size, strides, name=name, **options)
    return blocks.normalized(x, name, relu=relu)
