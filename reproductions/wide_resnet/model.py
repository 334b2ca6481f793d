"""Wide residual networks, for CIFAR-10 and for ImageNet.

Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016.
https://arxiv.org/abs/1605.07146

Built from Table 1, Sections 2 and 3. On CIFAR-10 blocks are
pre-activated (BN-ReLU-conv), with dropout between the two convolutions; on
ImageNet they are those of He et al. 2015, with a width factor.

Not in the paper, and as in the release (szagoruyko/wide-residual-networks):
    * A block that changes the number of maps shares its first BN-ReLU between
      the residual and the projection; the projection has no normalisation.
    * Initial weights (since its commit "fix MSRA init"), on CIFAR those of batch
      normalisation, too; its constants.
In neither: WRN-68-3, by one source WRN-68-2, named as a member of the ILSVRC
2016 winner. What is built here is our reading of either name (deviations.toml).
"""

import keras

from common.errors import UsageError
from common.models.blocks import (
    classifier,
    convolution,
    each_block,
    normalized,
    residual_stem,
    torch_linear,
)
from common.models.layers import Dropout
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
    return keras.Model(image, classifier(x, num_classes, torch_linear()), name=variant)


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
    for group, index, strides in each_block([blocks] * 3):  # 32x32, 16x16, 8x8
        filters, name = 8 * 2**group * form.width, f"conv{group + 1}_{index}"
        x = wide_block(x, filters, strides=strides, dropout=form.dropout, name=name)
    return preactivation(x, "last")


def preactivation(x, name):
    """BN-ReLU, whose gamma starts uniform in 0 .. 1.

    The release resets its networks after a test (`testModel` of utils.lua), which starts gamma
    as torch did then; for ImageNet it sets gamma to 1.
    """
    return normalized(x, name, gamma=keras.initializers.RandomUniform(0.0, 1.0))


def wide_block(x, filters, *, strides, dropout, name):
    """B(3,3) of Sec. 2, pre-activated, with dropout (Sec. 2.4, Fig. 1(d)).

    (batch, H, W, C) -> (batch, H / strides, W / strides, filters)
    """
    y = preactivation(x, f"{name}_a")
    shortcut = x
    if x.shape[-1] != filters:
        shortcut = convolution(y, filters, 1, strides, name=f"{name}_shortcut")
    y = convolution(y, filters, 3, strides, name=f"{name}_a")
    y = preactivation(y, f"{name}_b")
    if dropout:
        y = Dropout(dropout, name=f"{name}_dropout")(y)
    y = convolution(y, filters, 3, 1, name=f"{name}_b")
    return keras.layers.Add(name=f"{name}_add")([shortcut, y])


def imagenet_maps(image, form: ImageNetForm):
    """A ResNet up to the pooling: 224x224 images -> maps of 7x7.

    (batch, S, S, 3) -> (batch, ceil(S / 32), ceil(S / 32), maps)
    """
    x = residual_stem(image)  # 56x56x64, never wider
    for stage, index, strides in each_block(form.blocks):  # 56, 28, 14, 7
        name = f"conv{stage + 1}_{index}"
        x = wide_unit(x, 32 * 2**stage, form, strides=strides, name=name)
    return x


def wide_unit(x, filters, form: ImageNetForm, *, strides, name):
    """Two 3x3 convolutions, both wider; or 1x1, 3x3 and 1x1, the first two wider.

    A block of He et al. 2015: BN behind each, option B shortcuts, the addition, ReLU.
    (batch, H, W, C) -> (batch, H / strides, W / strides, width * filters, or 4 * filters)
    """
    wide = int(form.width * filters)
    layers = [(3, wide, strides), (3, wide, 1)]
    if form.bottleneck:
        layers = [(1, wide, 1), (3, wide, strides), (1, 4 * filters, 1)]
    y = x
    for letter, (kernel, maps, step) in zip("abc", layers, strict=False):
        part, relu = f"{name}_{letter}", letter != "abc"[len(layers) - 1]
        y = normalized(convolution(y, maps, kernel, step, name=part), part, relu=relu)
    if x.shape[-1] != y.shape[-1]:
        x = convolution(x, y.shape[-1], 1, strides, name=f"{name}_shortcut")
        x = normalized(x, f"{name}_shortcut", relu=False)
    y = keras.layers.Add(name=f"{name}_add")([x, y])
    return keras.layers.ReLU(name=f"{name}_relu")(y)
