"""Pre-activation ResNets, and the units that they are compared with.

He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks", ECCV
2016. https://arxiv.org/abs/1603.05027

Built from Figures 2 and 4, Sections 3.1 and 4.1 and the appendix; what they
leave open is as in the authors' release (KaimingHe/resnet-1k-layers).

Not in the paper:
    * Which convolution of a bottleneck has the stride: the first 1x1, as in
      the release.
    * The parameter-free shortcut of a unit that halves its maps: of the unit's
      input, not of its pre-activation, which Fig. 5 gives to the other path.
    * Of Table 1, where a unit halves: the gate and the 1x1 shortcut have the
      stride; scaling, gating and dropout come after the subsampling.
    * Constants of batch normalisation: epsilon 1e-5, averages that keep 0.9.

`preact_resnet200_fair`, which Table 5 marks with a dagger, is fb.resnet.torch's
models/preresnet.lua as it was when the weights came out (commit c530106): the
stride in the 3x3, BN in projections of the unit's own input, and two activations
ahead of the first unit, one behind each side of the pooling.
"""

import keras

from common.models import blocks
from common.models.blocks import classifier, each_block, gaussian, residual_stem, torch_linear
from common.models.layers import Dropout, ParameterFreeShortcut, he_normal
from reproductions.preact_resnet.forms import FORMS, Form


def build_model(
    variant: str, image_size: int, num_classes: int, form: Form | None = None
) -> keras.Model:
    """See reproductions.build_model."""
    form = form or FORMS[variant]
    image = keras.Input((image_size, image_size, 3), name="image")
    x = stem(image, form)
    for stage, index, strides in each_block(form.units):
        x = residual_unit(x, form, stage, index, strides)
    x = activation(x, form.order.before, "last")  # Appendix: an extra one
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    initial = torch_linear() if form.torch_start else gaussian(0.01)
    return keras.Model(image, classifier(x, num_classes, initial), name=variant)


def stem(image, form):
    """conv1, its activation and, for ImageNet, the pooling.

    Of a pre-activation network the activation is the first unit's, "before
    splitting into two paths" (appendix); of another it is conv1's own.
    (batch, S, S, 3) -> (batch, S, S, 16), or (batch, S/4, S/4, 64).
    """
    if len(form.units) == 3:
        return activation(convolution(image, form, 16, 3, name="conv1"), "bn_relu", "conv1")
    return residual_stem(image, kernel_start(form))


def convolution(x, form, filters, kernel_size, strides=1, *, name):
    """A symmetric convolution without bias."""
    initial = kernel_start(form)
    return blocks.convolution(x, filters, kernel_size, strides, name=name, initial=initial)


def kernel_start(form):
    """Initial weights of convolutions."""
    return he_normal("fan_out" if form.torch_start else "fan_in")


def residual_unit(x, form, stage, index, strides):
    """x_{l+1} = f(h(x_l) + F(x_l)) of Eqs. 1 and 2, in the form's order.

    (batch, H, W, C) -> (batch, H / strides, W / strides, filters)
    """
    name, order = f"stage{stage}_{index}", form.order
    base = (16 if len(form.units) == 3 else 64) * 2 ** (stage - 1)
    filters = base * 4 if form.layers == 3 else base
    first = stage == index == 1 and not form.fair  # its activation stands in the stem
    ready = x if first else activation(x, order.before, f"{name}_pre")
    # Option B of the first paper, but for its networks of two 3x3 on CIFAR.
    free = form.layers < 3 and len(form.units) == 3
    projected = not free and x.shape[-1] != filters
    y = branch(ready, form, base, strides, name)
    if projected or form.shortcut == "conv":
        # Appendix: projections "are also with pre-activation".
        source, end = (x, "bn") if form.fair else (ready, order.end)
        short = convolution(source, form, filters, 1, strides, name=f"{name}_shortcut")
        short = activation(short, end, f"{name}_shortcut")
    elif strides == 1 and x.shape[-1] == filters:
        short = x
    else:  # option A of the first paper
        short = ParameterFreeShortcut(filters, strides, name=f"{name}_shortcut")(x)
    short, y = modulated(short, y, ready, form, strides, name)
    x = keras.layers.Add(name=f"{name}_add")([short, y])
    return activation(x, order.after, f"{name}_add")


def branch(x, form, base, strides, name):
    """F without its first activation: its weight layers and what follows.

    (batch, H, W, C) -> (batch, H / s, W / s, base), times 4 of a bottleneck.
    """
    if form.layers == 3:
        kernels, filters = (1, 3, 1), (base, base, 4 * base)
    else:
        kernels, filters = (3,) * form.layers, (base,) * form.layers
    strided = 2 if form.fair and form.layers == 3 else 1  # fb.resnet.torch's
    for layer, (kernel, maps) in enumerate(zip(kernels, filters, strict=True), 1):
        step = strides if layer == strided else 1
        x = convolution(x, form, maps, kernel, step, name=f"{name}_conv{layer}")
        follows = form.order.end if layer == form.layers else "bn_relu"
        x = activation(x, follows, f"{name}_conv{layer}")
    return x


def modulated(short, y, x, form, strides, name):
    """What Table 1 does to the shortcut and to F, Fig. 2(b) to (d) and (f).

    Args:
        short: h(x) so far, (batch, H, W, C).
        y: F(x), of the same shape.
        x: The unit's input, which the gate looks at.
    """
    layers = keras.layers
    if form.shortcut == "dropout":
        short = Dropout(0.5, name=f"{name}_shortcut_dropout")(short)
    if form.shortcut == "scale":
        short = layers.Rescaling(0.5, name=f"{name}_shortcut_scale")(short)
    if form.branch == "scale":
        y = layers.Rescaling(0.5, name=f"{name}_branch_scale")(y)
    # g(x) = sigmoid(W_g x + b_g), a 1x1 convolution (Sec. 3.1)
    if "gate" in (form.shortcut, form.branch):
        g = layers.Conv2D(
            y.shape[-1],
            1,
            strides=strides,
            activation="sigmoid",
            kernel_initializer=he_normal(),
            bias_initializer=keras.initializers.Constant(form.gate_bias),
            name=f"{name}_gate",
        )(x)
        if form.shortcut == "gate":
            rest = layers.Rescaling(-1.0, offset=1.0, name=f"{name}_gate_rest")(g)
            short = layers.Multiply(name=f"{name}_shortcut_gated")([short, rest])
        if form.branch == "gate":
            y = layers.Multiply(name=f"{name}_branch_gated")([y, g])
    return short, y


def activation(x, kind, name):
    """Batch normalisation and ReLU, one of them, or nothing, by `kind`."""
    if "bn" in kind:
        x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    if "relu" in kind:
        x = keras.layers.ReLU(name=f"{name}_relu")(x)
    return x
