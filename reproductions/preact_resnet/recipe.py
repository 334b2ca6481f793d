"""The training of "Identity Mappings in Deep Residual Networks".

Sources: "App." is the appendix, "[1]" the paper's first reference, "Deep
Residual Learning for Image Recognition", whose details it takes over; "RK" is
the README of KaimingHe/resnet-1k-layers, "FB" the code of fb.resnet.torch.
"""

import dataclasses

from common.data.transforms import (
    CentreCrop,
    FirstFittingAreaCrop,
    Lighting,
    PcaColourNoise,
    PhotometricDistortions,
    RandomCrop,
    RandomFlip,
    RandomShift,
    RandomShorterSide,
    ResizeShorterSide,
    Standardize,
    SubtractCentreMean,
    SubtractMeanImage,
    ZeroBorder,
)
from common.evaluation import views
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import Recipe, Sgd, WeightDecay
from common.recipes.schedules import ByEpoch, ByStep
from reproductions.preact_resnet.forms import FORMS

FRAME = (ResizeShorterSide(32), CentreCrop(32))  # CIFAR-10 as it is
SGD = Sgd(
    learning_rate=0.1,  # App.
    momentum=0.9,  # App.
    nesterov=False,  # not in the paper
)
DECAY = WeightDecay(rate=1e-4, variables="kernel")  # App.
FAIR_SGD = dataclasses.replace(SGD, nesterov=True)  # FB
FAIR_DECAY = WeightDecay(rate=1e-4, variables=".")  # FB: all variables

CIFAR = Recipe(
    data="cifar10",  # Sec. 3.1
    also_on=("cifar100",),  # Sec. 4, Table 3
    image_size=32,
    channels=3,
    num_classes=10,
    epochs=183,  # as many as 64k updates of 45,000 images need
    updates=64_000,  # [1], Sec. 4.2
    held_out=0,  # 5,000 for [1]'s validation split
    global_batch_size=128,  # App.: on 2 GPUs, 64 each
    optimizer=SGD,
    schedule=ByStep(  # App.: 0.01 for 400 updates, for all CIFAR experiments
        starts=(0, 400, 32_000, 48_000), factors=(0.1, 1.0, 0.1, 0.01)
    ),
    weight_decay=DECAY,
    loss=SoftmaxCrossEntropy(),
    synchronized_batch_norm=False,  # App.: 64 on each of two GPUs
    # App.: "only the translation and flipping augmentation in [1]"
    train_transforms=(*FRAME, RandomShift(4), RandomFlip()),
    normalize=SubtractMeanImage(),  # [1], Sec. 4.2
    test_transforms=FRAME,
    views=("single",),  # [1], Sec. 4.2
    monitor="single",  # Figs. 1, 3, 6
    healthy_after=20,  # ours; some units of Table 1 learn slowly
)

RELEASED = dataclasses.replace(
    CIFAR,
    also_on=(),  # FB: constants of its own for CIFAR-100
    epochs=200,  # RK: -nEpochs 200
    updates=None,
    global_batch_size=64,  # RK: -batchSize 64
    optimizer=FAIR_SGD,
    schedule=ByEpoch(  # FB: from its epochs 81 and 122, the first being 1
        starts=(0, 80, 121), factors=(1.0, 0.1, 0.01)
    ),
    weight_decay=FAIR_DECAY,
    train_transforms=(*FRAME, RandomFlip(), RandomShift(4)),  # FB
    normalize=Standardize(  # FB: 125.3 and 63.0 of 255, and so on
        mean=(125.3 / 255, 123.0 / 255, 113.9 / 255), std=(63.0 / 255, 62.1 / 255, 66.7 / 255)
    ),
    train_noise=(ZeroBorder(),),  # FB: normalised, then padded
)

IMAGENET = Recipe(
    data="imagenet2012",  # Sec. 5
    image_size=224,  # Table 5: train crop
    channels=3,
    num_classes=1000,  # Sec. 5
    epochs=120,  # as many as [1]'s updates need
    updates=600_000,  # [1], Sec. 3.4: "up to 60x10^4 iterations"
    initialize_from=None,  # Sec. 5: "all trained from scratch"
    global_batch_size=256,  # App.: on 8 GPUs, 32 each
    optimizer=SGD,
    schedule=ByEpoch(  # App.: "no warming up"; 30 and 60 epochs
        starts=(0, 30, 60), factors=(1.0, 0.1, 0.01)
    ),
    weight_decay=DECAY,
    loss=SoftmaxCrossEntropy(),
    synchronized_batch_norm=False,  # App.: 32 on each of 8 GPUs
    train_transforms=(
        RandomShorterSide(256, 480),  # Sec. 5
        RandomCrop(224),  # Table 5
        RandomFlip(),  # [1], Sec. 3.4
    ),
    normalize=SubtractCentreMean(),  # [1], Sec. 3.4
    train_noise=(PcaColourNoise(std=0.1, shrink=1.0),),  # [1], Sec. 3.4
    test_transforms=(ResizeShorterSide(256), CentreCrop(256)),
    views=("centre_crop",),  # Table 5, its first row
    monitor="centre_crop",
)

FAIR = dataclasses.replace(
    IMAGENET,
    epochs=90,  # FB
    updates=None,
    optimizer=FAIR_SGD,
    weight_decay=FAIR_DECAY,
    train_transforms=(
        FirstFittingAreaCrop(  # FB: RandomSizedCrop(224), bicubic
            size=224, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3), attempts=10, resampling=("bicubic",)
        ),
        RandomFlip(),  # FB
        PhotometricDistortions(low=0.6, high=1.4),  # FB: ColorJitter, 0.4
        Lighting(std=0.1),  # FB
    ),
    normalize=Standardize(  # FB
        mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    train_noise=(),
)

RECIPES = {
    **{variant: CIFAR for variant in FORMS},
    "preact_resnet200": IMAGENET,
    "preact_resnet152": IMAGENET,
    "preact_resnet101": IMAGENET,
    "preact_resnet50": IMAGENET,
    "preact_resnet34": IMAGENET,
    "preact_resnet18": IMAGENET,
    "preact_resnet200_fair": FAIR,
    "resnet200_original": IMAGENET,
    "cifar_preact_resnet1001_released": RELEASED,
}

# The test protocols of "Identity Mappings" on ImageNet, Section 5.
#
# "FB" is fb.resnet.torch, the code of the weights that were published.
# Sec. 5: one crop of 320x320 from a shorter side of 320.
CROP_320 = {"centre_crop_320": views.CentreCrop(sides=(320,), size=320)}

VIEWS = {variant: CROP_320 for variant, recipe in RECIPES.items() if recipe.data == "imagenet2012"}
VIEWS["preact_resnet200_fair"] = CROP_320 | {
    # FB adds up the ten crops' logits; the exponential is commented out.
    "ten_crop_of_logits": views.CornerCrops(sides=(256,), size=224, mirrored=True, average="logits")
}
