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

from common.models.blocks import classifier
from common.models.inception import Convolution, conv, convolve, inception
from common.models.layers import Dropout
from reproductions.inception_v4.networks import FORMS, xavier

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
    logits = classifier(x, num_classes, xavier(), name="logits")
    return keras.Model(image, [logits, *aux] if aux else logits, name=variant)


def auxiliary_head(x, num_classes, initial):
    """Pooling, 1x1, as large as the map, logits (release)."""
    x = keras.layers.AveragePooling2D(5, 3, name="aux_pool")(x)  # 5x5
    x = convolve(x, conv(128, 1, 1), "aux_conv0", initial)
    whole = Convolution(768, *x.shape[1:3], padded=False)
    x = convolve(x, whole, "aux_conv1", initial)
    x = keras.layers.Flatten(name="aux_flatten")(x)  # 768
    return classifier(x, num_classes, xavier(), name="aux_logits")
