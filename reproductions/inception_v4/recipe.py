"""The training of the networks of Inception-v4's paper, Section 4.

Sources: "Sec." and "Fig." are the paper, arXiv:1602.07261; "v3" is
arXiv:1512.00567, by the same group, for what this paper does not say; "release"
is research/slim of tensorflow/models.
"""

import dataclasses

from common.data.transforms import (
    CentreCrop,
    DistortedBoxCrop,
    RandomFlip,
    ResizeShorterSide,
    ScalePixels,
)
from common.recipes.losses import SmoothedCrossEntropy, WithAuxiliary
from common.recipes.recipe import Recipe, RmsProp, WeightDecay
from common.recipes.schedules import EveryEpochs
from reproductions.inception_v3.recipe import CROPS
from reproductions.inception_v4.distortions import BrightnessAndSaturation

SMOOTHED = SmoothedCrossEntropy(smoothing=0.1)  # v3, Sec. 7

INCEPTION_V4 = Recipe(
    data="imagenet2012",  # Sec. 5
    image_size=299,  # Fig. 3
    channels=3,  # Fig. 3
    num_classes=1000,  # Fig. 9
    epochs=100,  # v3, Sec. 8
    global_batch_size=640,  # Sec. 4: 20 replicas; v3, Sec. 8: of 32
    optimizer=RmsProp(
        learning_rate=0.045,  # Sec. 4
        decay=0.9,  # Sec. 4
        momentum=0.9,  # release
        epsilon=1.0,  # Sec. 4
    ),
    schedule=EveryEpochs(epochs=2, times=0.94),  # Sec. 4
    weight_decay=WeightDecay(rate=4e-5, variables="kernel"),  # release
    clip_global_norm=2.0,  # v3, Sec. 8
    loss=SMOOTHED,
    average_decay=0.9999,  # Sec. 4: a running average; the constant: as v3
    synchronized_batch_norm=False,  # release: each replica alone
    train_transforms=(  # release
        DistortedBoxCrop(
            size=299,
            area=(0.05, 1.0),
            aspect=(0.75, 1.33),
            covered=0.1,
            attempts=100,
            resampling=("bilinear",),
        ),
        RandomFlip(),
        BrightnessAndSaturation(brightness=32 / 255, saturation=(0.5, 1.5)),
    ),
    normalize=ScalePixels(-1.0, 1.0),  # release
    # release: 299 pixels show the central 87.5 % of each side
    test_transforms=(ResizeShorterSide(342), CentreCrop(342)),
    views=("centre_crop",),  # Table 2; 12 and 144 crops: VIEWS
    monitor="centre_crop",
)
# release: inception_resnet_v2_arg_scope has biases decay too
RESNET = dataclasses.replace(
    INCEPTION_V4, weight_decay=WeightDecay(rate=4e-5, variables="kernel|bias")
)


def with_auxiliary_head(recipe: Recipe) -> Recipe:
    """The recipe of a released network."""
    return dataclasses.replace(
        recipe,
        loss=WithAuxiliary(main=SMOOTHED, weight=0.4, heads=1),  # release
    )


RECIPES = {
    "inception_v4": INCEPTION_V4,
    "inception_resnet_v1": RESNET,
    "inception_resnet_v2": RESNET,
    "inception_v4_released": with_auxiliary_head(INCEPTION_V4),
    "inception_resnet_v2_released": with_auxiliary_head(RESNET),
}

# Inception-v4's tests with many crops, Tables 3 to 5.
#
# 144 are "as described in [14]" (Sec. 5), which is GoogLeNet, and of the 12 no places are
# given: both are taken to be Inception-v3's, as in soeaver's caffe-model, whose errors agree
# with the paper's.
VIEWS = dict.fromkeys(RECIPES, CROPS)
