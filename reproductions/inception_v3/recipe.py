"""Inception-v3's training, Sections 7, 8 and 10.

Sources: "Sec." is the paper, arXiv:1512.00567; "release" is the code that its
authors published with TensorFlow, tensorflow/models, research/inception.
"""

import dataclasses

from common.data.transforms import (
    CentreCrop,
    DistortedBoxCrop,
    RandomFlip,
    ResizeShorterSide,
    ScalePixels,
)
from common.evaluation import views
from common.recipes.losses import SmoothedCrossEntropy, SoftmaxCrossEntropy, WithAuxiliary
from common.recipes.recipe import Recipe, RmsProp, Sgd, WeightDecay
from common.recipes.schedules import EveryEpochs
from reproductions.inception_v3.distortions import ColourDistortions

INCEPTION_V3 = Recipe(
    data="imagenet2012",  # Sec. 10
    image_size=299,  # Table 1
    channels=3,  # Table 1
    num_classes=1000,  # Table 1
    epochs=100,  # Sec. 8
    global_batch_size=1600,  # Sec. 8: 50 replicas of 32
    optimizer=RmsProp(
        learning_rate=0.045,  # Sec. 8
        decay=0.9,  # Sec. 8
        momentum=0.9,  # release
        epsilon=1.0,  # Sec. 8
    ),
    schedule=EveryEpochs(epochs=2, times=0.94),  # Sec. 8
    weight_decay=WeightDecay(rate=4e-5, variables="kernel"),  # release
    clip_global_norm=2.0,  # Sec. 8: "gradient clipping with threshold 2.0"
    loss=WithAuxiliary(
        main=SmoothedCrossEntropy(smoothing=0.1),  # Sec. 7
        weight=0.4,  # release
        heads=1,  # Sec. 4
    ),
    average_decay=0.9999,  # Sec. 8: a running average; the constant: release
    synchronized_batch_norm=False,  # release: each replica alone
    train_transforms=(  # release
        DistortedBoxCrop(
            size=299,
            area=(0.05, 1.0),
            aspect=(0.75, 1.33),
            covered=0.1,
            attempts=100,
            resampling=("bilinear", "area", "nearest", "bicubic"),
        ),
        RandomFlip(),
        ColourDistortions(brightness=32 / 255, saturation=(0.5, 1.5), hue=0.2, contrast=(0.5, 1.5)),
    ),
    normalize=ScalePixels(-1.0, 1.0),  # release
    # release: 299 pixels show the central 87.5 % of each side
    test_transforms=(ResizeShorterSide(342), CentreCrop(342)),
    views=("centre_crop",),  # Table 3; 12 and 144 crops: VIEWS
    monitor="centre_crop",
)


def at_resolution(size: int) -> Recipe:
    """The recipe for images of `size` pixels (Table 2)."""
    factor = size / INCEPTION_V3.image_size

    def scaled(transforms: tuple) -> tuple:
        return tuple(transform.scaled(factor) for transform in transforms)

    return dataclasses.replace(
        INCEPTION_V3,
        image_size=size,
        train_transforms=scaled(INCEPTION_V3.train_transforms),
        test_transforms=scaled(INCEPTION_V3.test_transforms),
    )


# Table 3's rows before the last, from below: each leaves out one thing more.
RMSPROP = dataclasses.replace(
    INCEPTION_V3,
    loss=WithAuxiliary(main=SoftmaxCrossEntropy(), weight=0.4, heads=1),
)
MOMENTUM = dataclasses.replace(
    RMSPROP,
    optimizer=Sgd(
        learning_rate=0.045,  # Sec. 8, which has no other
        momentum=0.9,  # Sec. 8: "our earlier experiments"
        nesterov=False,
    ),
)

RECIPES = {
    "inception_v3": INCEPTION_V3,
    "inception_v3_torchvision": INCEPTION_V3,
    "inception_v3_151": at_resolution(151),
    "inception_v3_79": at_resolution(79),
    "inception_v2_table1": INCEPTION_V3,
    "inception_v2": MOMENTUM,
    "inception_v2_rmsprop": RMSPROP,
    "inception_v2_label_smoothing": INCEPTION_V3,
    "inception_v2_factorized_7x7": INCEPTION_V3,
}

# Inception-v3's tests with many crops, Tables 4 and 5.
#
# The paper gives their numbers, 12 and 144, and names GoogLeNet; not their
# places. Those here are of soeaver's caffe-model, whose errors agree with the
# paper's: 12 are of the image squashed to 320x320 (the corners, the centre and
# all of it, and their mirror images), 144 are GoogLeNet's with shorter sides of
# 320 to 416. The softmax outputs are averaged, as GoogLeNet's are.
CROPS = {
    "12_crop": views.SquareCrops(sides=(320,), size=299, squashed=True, mirrored=True),
    "144_crop": views.SquareCrops(sides=(320, 352, 384, 416), size=299, mirrored=True),
}

VIEWS = {
    variant: {name: views.rescale(view, recipe.image_size / 299) for name, view in CROPS.items()}
    for variant, recipe in RECIPES.items()
}
