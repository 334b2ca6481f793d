"""Inception-v4 and Inception-ResNet.

Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the
Impact of Residual Connections on Learning", arXiv:1602.07261, 2016; AAAI 2017.

Built from Figures 3 to 20 and Table 1, which networks.py has as tables.
Variants whose names end in "_released" are the networks that the authors
published with TensorFlow (tensorflow/models, research/slim; "release"), which
differ from the figures.

Differences from the figures, where these contradict themselves:
    * The first 3x3 convolution of Figure 3's last step has stride 2.
    * Inception-B's middle branch is 1x7 and 7x1 (Figure 5: 1x7 twice).
    * Inception-ResNet-v2 has 1152 and 2144 maps in its 17x17 and 8x8 modules,
      which is what goes into them (Figures 17 and 19: 1154 and 2048).
Not in the paper:
    * Each residual scale between 0.1 and 0.3: the release's.
    * Batch normalisation: epsilon 1e-3, moving averages that come to keep
      0.9997, as the release; with a scale, which the release leaves out. The
      linear convolutions have a bias in its place.
    * Auxiliary heads: in the released networks only.
    * All initial weights: the release's.
"""

import keras

from common.models.layers import BatchNormalization, Dropout
from reproductions.inception_v4.modules import XAVIER, Convolution, Pooling, places
from reproductions.inception_v4.networks import FORMS

# What leaves one place of the last map, and 5x5 of what an auxiliary head pools.
SMALLEST_IMAGE = {name: 107 if form.aux_after else 75 for name, form in FORMS.items()}


def build_model(variant: str, image_size: int, num_classes: int) -> keras.Model:
    """See reproductions.build_model.

    Released networks have two outputs, the auxiliary head's logits second. At other sizes
    than the paper's the whole last map is averaged, and the auxiliary head's second
    convolution covers its whole map, as in the release.
    """
    form = FORMS[variant]
    image = x = keras.Input((image_size, image_size, 3), name="image")
    aux = []
    for name, module in form.modules.items():
        x = inception(x, name, module, form.initial)
        if name == form.aux_after:
            aux = [auxiliary_head(x, num_classes, form.initial)]
    x = keras.layers.AveragePooling2D(x.shape[1:3], 1, name="avg_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = Dropout(0.2, name="dropout")(x)  # Fig. 9, 15: keep 0.8
    logits = linear(x, num_classes, "logits")
    return keras.Model(image, [logits, *aux] if aux else logits, name=variant)


def inception(x, name, module, initial):
    """A module: its branches, joined, and its residual connection."""
    branches: dict[int, list] = {}  # the one or two ends of each
    for place in places(name, module):
        if place.side != "b":  # which stands beside "a", on the same maps
            y = branches[place.branch][0] if place.step else x
            branches[place.branch] = []
        branches[place.branch].append(layer(y, place, initial))
    ends = [end for branch in branches.values() for end in branch]
    if len(ends) == 1:
        return ends[0]
    joined = "output" if module.residual is None else "mixed"
    mixed = keras.layers.Concatenate(name=f"{name}_{joined}")(ends)
    if module.residual is None:
        return mixed
    return residual(x, mixed, name, module.residual, initial)


def residual(x, mixed, name, form, initial):
    """The sum x + scale * (1x1 convolution to x's number of maps) (Fig. 20)."""
    up = keras.layers.Conv2D(
        x.shape[-1],
        1,
        kernel_initializer=keras.initializers.VarianceScaling(*initial),
        name=f"{name}_linear",
    )(mixed)
    up = keras.layers.Rescaling(form.scale, name=f"{name}_scale")(up)
    last = f"{name}_sum" if form.relu else f"{name}_output"
    x = keras.layers.Add(name=last)([x, up])
    return keras.layers.ReLU(name=f"{name}_output")(x) if form.relu else x


def layer(x, place, initial):
    """The convolution, with its normalisation and ReLU, or the pooling at a place of a module.

    An average is over what there is of the window.
    """
    form, name = place.layer, place.name
    padding = "same" if form.padded else "valid"
    if isinstance(form, Pooling):
        kinds = {"max": keras.layers.MaxPooling2D, "avg": keras.layers.AveragePooling2D}
        return kinds[form.kind](form.height, form.strides, padding, name=name)(x)
    return convolution(x, form, name, initial)


def convolution(x, form, name, initial):
    """Convolution, batch normalisation, ReLU."""
    x = keras.layers.Conv2D(
        form.filters,
        (form.height, form.width),
        form.strides,
        "same" if form.padded else "valid",
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(*initial),
        name=name,
    )(x)
    x = BatchNormalization(momentum=0.9997, epsilon=1e-3, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def auxiliary_head(x, num_classes, initial):
    """Pooling, 1x1, as large as the map, logits (release)."""
    x = keras.layers.AveragePooling2D(5, 3, name="aux_pool")(x)  # 5x5
    x = convolution(x, Convolution(128, 1, 1), "aux_conv0", initial)
    whole = Convolution(768, *x.shape[1:3], padded=False)
    x = convolution(x, whole, "aux_conv1", initial)
    x = keras.layers.Flatten(name="aux_flatten")(x)  # 768
    return linear(x, num_classes, "aux_logits")


def linear(x, num_classes, name):
    """Logits, float32 under any dtype policy."""
    return keras.layers.Dense(
        num_classes,
        kernel_initializer=keras.initializers.VarianceScaling(*XAVIER),
        dtype="float32",
        name=name,
    )(x)
