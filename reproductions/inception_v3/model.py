"""Inception-v3.

Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception
Architecture for Computer Vision", arXiv:1512.00567, 2015; CVPR 2016.

Built from Sections 3 to 6 and 10, and, as the paper leaves the filters to a
file that was sent in with it (model.txt), from the network that its authors
released with TensorFlow ("release"); `networks.py` has both as tables.

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

import functools

import keras

from common.models.blocks import classifier
from common.models.inception import conv, convolve, inception, valid
from common.models.layers import Dropout
from reproductions.inception_v3.networks import FORMS

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
    for name, module in {**form.stem, **form.modules}.items():
        x = inception(x, name, module, truncated_normal)
        if name == form.aux_after:  # 17x17x768
            aux = auxiliary_head(x, num_classes, batch_norm=form.aux_batch_norm)
    x = keras.layers.AveragePooling2D(x.shape[1:3], 1, name="avg_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)  # 2048
    x = Dropout(0.2, name="dropout")(x)  # release: 0.8 are kept
    logits = classifier(x, num_classes, truncated_normal(0.01), name="logits")
    return keras.Model(image, [logits, aux], name=variant)


def truncated_normal(stddev: float = 0.1) -> keras.initializers.Initializer:
    """N(0, stddev^2), drawn again beyond 2 stddev."""
    return keras.initializers.TruncatedNormal(0.0, stddev)


def auxiliary_head(x, num_classes, *, batch_norm):
    """Pooling, 1x1, as large as the map, logits (Sec. 4, Sec. 10; release)."""
    x = keras.layers.AveragePooling2D(5, 3, name="aux_pool")(x)  # 5x5
    x = convolve(x, conv(128, 1, 1), "aux_conv0", truncated_normal)
    side, initial = x.shape[1], functools.partial(truncated_normal, 0.01)
    if batch_norm:
        x = convolve(x, valid(768, side), "aux_conv1", initial)
    else:
        x = keras.layers.Conv2D(
            768, side, activation="relu", kernel_initializer=initial(), name="aux_conv1"
        )(x)
    x = keras.layers.Flatten(name="aux_flatten")(x)  # 768
    return classifier(x, num_classes, truncated_normal(0.001), name="aux_logits")
