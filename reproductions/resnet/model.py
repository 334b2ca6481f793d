"""ResNet and its plain counterpart, for ImageNet.

He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR
2016. https://arxiv.org/abs/1512.03385

Built from Table 1, Figures 3 and 5 and Sections 3.2 to 3.4; what they leave
open is as in the authors' release (KaimingHe/deep-residual-networks).

Not in the paper:
    * Which convolution of a bottleneck has the stride: the first 1x1, as in
      the release. `*_v1_5` have it in the 3x3, a later habit.
    * The padding of the max pooling: one pixel on each side, as in
      fb.resnet.torch, torchvision and keras.applications. `*_caffe` are the
      release's: none, and a last window that may overhang.
    * Biases of convolutions: none. The release has one in conv1 of its
      50-layer network only; batch normalisation cancels it.
    * Batch normalisation: epsilon 1e-5, running averages that keep 0.9.
    * Projections at 18 layers (`resnet18`): the paper's have option A.
"""

import keras

from common.models.blocks import (
    classifier,
    convolution,
    each_block,
    gaussian,
    normalized,
    padded_pool,
)
from common.models.layers import ParameterFreeShortcut
from reproductions.resnet.forms import FORMS, Form

# Without padding the first pooling has no window in less.
SMALLEST_IMAGE = {name: 3 for name, form in FORMS.items() if not form.pool_padding}


def build_model(
    variant: str, image_size: int, num_classes: int, form: Form | None = None
) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 224 pixels."""
    form = form or FORMS[variant]
    image = keras.Input((image_size, image_size, 3), name="image")
    x = normalized_conv(image, 64, 7, 2, name="conv1")  # 112x112x64
    x = padded_pool(x, form.pool_padding)  # 56x56x64
    for stage, index, strides in each_block(form.blocks):  # 56, 28, 14 and 7 pixels
        name = f"conv{stage + 1}_{index}"  # of conv2_x to conv5_x, Table 1
        x = block(x, form, filters=32 * 2**stage, strides=strides, name=name)
    x = keras.layers.GlobalAveragePooling2D(name="pool5")(x)
    return keras.Model(image, classifier(x, num_classes, gaussian(0.01)), name=variant)


def normalized_conv(x, filters, kernel_size, strides, *, name, relu=True):
    """A convolution with He's weights (Sec. 3.4), its normalisation and, if asked for, ReLU."""
    return normalized(convolution(x, filters, kernel_size, strides, name=name), name, relu=relu)


def block(x, form, *, filters, strides, name):
    """Two 3x3 convolutions (Fig. 5, left), or 1x1, 3x3 and 1x1 (right), and the shortcut.

    (batch, H, W, C) -> (batch, H / strides, W / strides, filters, or 4 * filters)
    """
    layers = [(3, filters, strides), (3, filters, 1)]
    if form.bottleneck:
        on_1x1, on_3x3 = (1, strides) if form.stride_on_3x3 else (strides, 1)
        layers = [(1, filters, on_1x1), (3, filters, on_3x3), (1, 4 * filters, 1)]
    y = x
    for part, (kernel, maps, step) in zip("abc", layers, strict=False):
        relu = part != "abc"[len(layers) - 1]
        y = normalized_conv(y, maps, kernel, step, name=f"{name}_{part}", relu=relu)
    if form.shortcuts:
        short = shortcut(x, form.shortcuts, y.shape[-1], strides, name=f"{name}_shortcut")
        y = keras.layers.Add(name=f"{name}_add")([short, y])
    return keras.layers.ReLU(name=f"{name}_relu")(y)


def shortcut(x, option, filters, strides, *, name):
    """Options A, B and C of Sec. 4.1.

    (batch, H, W, C) -> (batch, H / strides, W / strides, filters)
    """
    if option != "C" and x.shape[-1] == filters:
        return x
    if option == "A":
        return ParameterFreeShortcut(filters, strides, name=name)(x)
    return normalized_conv(x, filters, 1, strides, name=name, relu=False)
