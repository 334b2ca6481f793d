"""VGG's training, Section 3.1, and the ways to initialise and to scale.

"Sec." and "Table" are of arXiv:1409.1556v6. S is the shorter side of a
training image before the crop.
"""

import dataclasses

from common.data.transforms import (
    CentreCrop,
    PcaColourNoise,
    RandomCrop,
    RandomFlip,
    RandomShorterSide,
    ResizeShorterSide,
    SubtractChannelMean,
)
from common.evaluation import views
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import InitializeFrom, Recipe, Sgd, WeightDecay
from common.recipes.schedules import DivideOnPlateau


def frame(size: int) -> tuple:
    """The centre square of an image of shorter side Q = `size` (Sec. 3.2)."""
    return (ResizeShorterSide(size), CentreCrop(size))


CROP_AND_FLIP = (RandomCrop(224), RandomFlip())  # Sec. 3.1

# Sec. 3.1: net A was shallow enough for random weights. Its epochs, rates and
# S are those of the others.
VGG11 = Recipe(
    data="imagenet2012",  # Sec. 4: ILSVRC-2012
    image_size=224,  # Sec. 2.1
    channels=3,  # Sec. 2.1: RGB
    num_classes=1000,  # Sec. 4
    epochs=74,  # Sec. 3.1
    updates=370_000,  # Sec. 3.1; 73.9 epochs of 5,004 whole batches
    initialize_from=None,  # Sec. 3.1
    global_batch_size=256,  # Sec. 3.1
    optimizer=Sgd(
        learning_rate=0.01,  # Sec. 3.1
        momentum=0.9,  # Sec. 3.1
        nesterov=False,  # not in the paper
    ),
    schedule=DivideOnPlateau(
        divisor=10.0,  # Sec. 3.1
        patience=6,  # ours: the paper has no rule
        max_drops=3,  # Sec. 3.1: "decreased 3 times"
        metric="val_top1_error",  # Sec. 3.1: "validation set accuracy"
        min_delta=0.1,  # ours: percentage points
    ),
    group_schedules=(),  # Sec. 3.1 has one rate for all layers
    weight_decay=WeightDecay(rate=5e-4, variables="kernel"),  # Sec. 3.1
    loss=SoftmaxCrossEntropy(),  # Sec. 3.1: multinomial logistic regression
    train_transforms=(ResizeShorterSide(256), *CROP_AND_FLIP),  # Sec. 3.1
    normalize=SubtractChannelMean(),  # Sec. 2.1: the mean RGB value
    train_noise=(PcaColourNoise(std=0.1, shrink=1.0),),  # Sec. 3.1: AlexNet's
    test_transforms=frame(256),  # Sec. 4.1: Q = S
    views=("centre_crop",),  # ours; the paper's dense ones: VIEWS
    monitor="centre_crop",  # ours
)

# Sec. 3.1: "the first four convolutional layers and the last three fully-
# connected layers with the layers of net A", the others random. Copying by
# position does not fit, copying by name fits every network:
#
#     A's convolution   maps        in B, C, D and E
#     1st  conv1_1        3 ->  64  1st
#     2nd  conv2_1       64 -> 128  3rd, after conv1_2 (64 -> 64), which A lacks
#     3rd  conv3_1      128 -> 256  5th, after conv2_2 (128 -> 128), likewise
#     4th  conv3_2      256 -> 256  6th
#
# All of them are 3x3, in C too (its 1x1 kernels are conv3_3, 4_3 and 5_3);
# fc6, fc7 and fc8 have the same shapes everywhere.
DEEP = dataclasses.replace(
    VGG11,
    initialize_from=InitializeFrom(
        variant="vgg11", layers="conv1_1|conv2_1|conv3_1|conv3_2|fc6|fc7|fc8", renamed=None
    ),
)


def at_384(variant: str) -> Recipe:
    """S = 384, from the same configuration's weights at S = 256 (Sec. 3.1)."""
    return dataclasses.replace(
        DEEP,
        initialize_from=InitializeFrom(variant=variant, layers=".*", renamed=None),
        optimizer=dataclasses.replace(DEEP.optimizer, learning_rate=1e-3),
        train_transforms=(ResizeShorterSide(384), *CROP_AND_FLIP),
        test_transforms=frame(384),  # Sec. 4.1: Q = S
    )


def jittered(variant: str) -> Recipe:
    """S from [256, 512], all layers from S = 384 (Sec. 3.1)."""
    return dataclasses.replace(
        at_384(variant),
        initialize_from=InitializeFrom(variant=f"{variant}_384", layers=".*", renamed=None),
        train_transforms=(RandomShorterSide(256, 512), *CROP_AND_FLIP),
        test_transforms=frame(384),  # Sec. 4.1: Q = (256 + 512) / 2
    )


RECIPES = {
    "vgg16": DEEP,
    "vgg11": VGG11,
    "vgg11_lrn": VGG11,
    "vgg13": DEEP,
    "vgg16_c": DEEP,
    "vgg19": DEEP,
    "vgg16_c_384": at_384("vgg16_c"),
    "vgg16_384": at_384("vgg16"),
    "vgg19_384": at_384("vgg19"),
    "vgg16_c_jitter": jittered("vgg16_c"),
    "vgg16_jitter": jittered("vgg16"),
    "vgg19_jitter": jittered("vgg19"),
    # Sec. 3.1: "after the paper submission we found that it is possible to
    # initialise the weights without pre-training".
    "vgg11_glorot": VGG11,
    "vgg16_glorot": VGG11,
    # Sec. 4.1: the shallow net that B is compared with.
    "vgg13_5x5": VGG11,
}

# VGG's test protocols, Sections 3.2 and 4.
#
# "Sec." and "Table" are of arXiv:1409.1556v6. Q is the shorter side of a test
# image, S that of a training image. The softmax outputs of an image and of its
# mirror image are averaged (Sec. 3.2), those of several scales (Sec. 4.2) and
# those of crops and of dense evaluation (Sec. 4.3) as well.
JITTER = (256, 384, 512)  # Sec. 4.2: S_min, the middle, S_max


def dense(*sides: int) -> views.Dense:
    """The whole image at each Q, and its mirror image (Sec. 3.2)."""
    return views.Dense(sides=sides, mirrored=True)


def fixed_views(side: int) -> dict:
    """Of a network trained at a fixed S."""
    return {
        "dense": dense(side),  # Sec. 4.1: Q = S
        "dense_multi_scale": dense(side - 32, side, side + 32),  # Sec. 4.2
    }


# Sec. 3.2, 4.3: 5 x 5 places x 2 flips x 3 scales = 150 crops.
CROPS = views.GridCrops(sides=JITTER, size=224, places=5, mirrored=True)
JITTERED_VIEWS = {
    "dense": dense(384),  # Sec. 4.1: Q = 0.5 (256 + 512)
    "dense_multi_scale": dense(*JITTER),
    "multi_crop": CROPS,
    "multi_crop_and_dense": views.MeanOf((CROPS, dense(*JITTER))),  # Sec. 4.3
}


def views_of(variant: str) -> dict:
    """Its own test protocols, by name."""
    if variant.endswith("_jitter"):
        return JITTERED_VIEWS
    return fixed_views(384 if variant.endswith("_384") else 256)


VIEWS = {variant: views_of(variant) for variant in RECIPES}
