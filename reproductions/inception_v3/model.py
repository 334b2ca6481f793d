"""Inception-v3.

Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception
Architecture for Computer Vision", arXiv:1512.00567, 2015; CVPR 2016.

Built from Sections 3 to 6 and 10, and, as the paper leaves the filters to a
file that was sent in with it (model.txt), from the network that its authors
released with TensorFlow ("release"); `modules.py` has both as tables.

Differences from the paper, in the release:
    * The stem: Table 1 has 3x3 to 80 maps, 3x3 with stride 2 to 192 and 3x3 to
      288; the release has 1x1 to 80, 3x3 to 192 and max pooling.
    * The 35x35 modules keep the 5x5 that Figure 5 factorises; the first two
      give 256 and 288 maps and not 288 and 288.
    * Four 17x17 modules and not five.
    `inception_v2_table1` has Table 1's stem and modules with the release's
    filters.
Not in the paper:
    * Padding: as many zeros on either side. Average pooling within modules
      divides by what there is of the window; torchvision's counts the zeros
      (`inception_v3_torchvision`).
    * Batch normalisation: epsilon 1e-3, moving averages that keep 0.9997, as
      the release, but less in the first 30,000 updates (common/models/layers.py);
      with a scale, which the release leaves out.
    * 20 % dropout before the logits, and all initial weights: the release's.
"""

import keras

from common.models.layers import BatchNormalization, Dropout
from reproductions.inception_v3.modules import FORMS, layer_names

# What leaves 5x5 of the last 17x17 module for the auxiliary head's pooling.
SMALLEST_IMAGE = dict.fromkeys(FORMS, 107) | {"inception_v3_151": 55, "inception_v3_79": 29}


def build_model(variant: str, image_size: int, num_classes: int) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 299 pixels.

    Two logits: the network's and the auxiliary head's. At other sizes the whole last map is
    averaged, and the auxiliary head's second convolution covers its whole map, as in the
    release.
    """
    form = FORMS[variant]
    image = x = keras.Input((image_size, image_size, 3), name="image")
    for layer in form.stem:  # 35x35x192
        x = stem_layer(x, layer)
    for name, module in form.modules.items():
        x = inception(x, name, module, zeros_count=form.zeros_count)
        if name == form.aux_after:  # 17x17x768
            aux = auxiliary_head(x, num_classes, batch_norm=form.aux_batch_norm)
    x = keras.layers.AveragePooling2D(x.shape[1:3], 1, name="avg_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)  # 2048
    x = Dropout(0.2, name="dropout")(x)  # release: 0.8 are kept
    logits = linear(x, num_classes, stddev=0.01, name="logits")
    return keras.Model(image, [logits, aux], name=variant)


def truncated_normal(stddev: float) -> keras.initializers.Initializer:
    """N(0, stddev^2), drawn again beyond 2 stddev."""
    return keras.initializers.TruncatedNormal(0.0, stddev)


def convolution(x, filters, kernel_size, name, *, strides=1, padding="same", stddev=0.1):
    """Convolution, batch normalisation, ReLU."""
    x = keras.layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding,
        use_bias=False,
        kernel_initializer=truncated_normal(stddev),
        name=name,
    )(x)
    x = BatchNormalization(momentum=0.9997, epsilon=1e-3, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def stem_layer(x, layer):
    """A convolution or max pooling of the stem."""
    padding = "same" if layer.padded else "valid"
    if not layer.filters:
        return keras.layers.MaxPooling2D(layer.side, layer.strides, padding, name=layer.name)(x)
    return convolution(
        x, layer.filters, layer.side, layer.name, strides=layer.strides, padding=padding
    )


def inception(x, name, module, *, zeros_count):
    """A module: its branches, then its pooling."""
    parts = []
    for branch, chain in module.branches.items():
        end = {} if module.projection else {"strides": 2, "padding": "valid"}
        parts += branch_ends(x, f"{name}_{branch}", chain, end)
    if module.projection:
        x = average_pool(x, f"{name}_pool", zeros_count=zeros_count)
        x = convolution(x, module.projection, 1, f"{name}_branch_pool")
    else:
        x = keras.layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)
    return keras.layers.Concatenate(name=f"{name}_output")([*parts, x])


def branch_ends(x, name, chain, end):
    """The one or two outputs of a branch; `end` is for its last layer."""
    names = iter(layer_names(name, chain))
    for left, part in enumerate(chain, 1 - len(chain)):
        pair = part if isinstance(part[0], tuple) else (part,)
        options = {} if left else end
        ends = [convolution(x, filters, size, next(names), **options) for filters, *size in pair]
        x = ends[0]
    return ends


def average_pool(x, name, *, zeros_count):
    """3x3 around each place."""
    if not zeros_count:
        return keras.layers.AveragePooling2D(3, 1, "same", name=name)(x)
    x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return keras.layers.AveragePooling2D(3, 1, name=name)(x)


def auxiliary_head(x, num_classes, *, batch_norm):
    """Pooling, 1x1, as large as the map, logits (Sec. 4, Sec. 10; release)."""
    x = keras.layers.AveragePooling2D(5, 3, name="aux_pool")(x)  # 5x5
    x = convolution(x, 128, 1, "aux_conv0")
    if batch_norm:
        x = convolution(x, 768, x.shape[1:3], "aux_conv1", padding="valid", stddev=0.01)
    else:
        x = keras.layers.Conv2D(
            768,
            x.shape[1:3],
            activation="relu",
            kernel_initializer=truncated_normal(0.01),
            name="aux_conv1",
        )(x)
    x = keras.layers.Flatten(name="aux_flatten")(x)  # 768
    return linear(x, num_classes, stddev=0.001, name="aux_logits")


def linear(x, num_classes, *, stddev, name):
    """Logits, float32 under any dtype policy."""
    initial = truncated_normal(stddev)
    return keras.layers.Dense(num_classes, kernel_initializer=initial, dtype="float32", name=name)(
        x
    )
