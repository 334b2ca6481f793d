"""The training of wide residual networks, Section 3.

Sources: "Sec." is the paper, arXiv:1605.07146v4; "release" is
szagoruyko/wide-residual-networks; "fb" is fb.resnet.torch, which trained the
networks for ImageNet.
"""

import dataclasses

from common.data.transforms import (
    CentreCrop,
    FirstFittingAreaCrop,
    Lighting,
    PhotometricDistortions,
    RandomFlip,
    ResizeShorterSide,
    Standardize,
)
from common.evaluation import views
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import Recipe, Sgd, WeightDecay
from common.recipes.schedules import ByEpoch
from reproductions.wide_resnet.augmentation import RandomReflectedShift
from reproductions.wide_resnet.forms import FORMS

FRAME = (ResizeShorterSide(32), CentreCrop(32))  # CIFAR-10 as it is

CIFAR_RECIPE = Recipe(
    data="cifar10",  # Sec. 3
    also_on=("cifar100",),  # Sec. 3; the release normalises both by CIFAR-10's constants
    image_size=32,
    channels=3,
    num_classes=10,
    epochs=200,  # Sec. 3
    held_out=0,  # release
    global_batch_size=128,  # Sec. 3
    optimizer=Sgd(
        learning_rate=0.1,  # Sec. 3
        momentum=0.9,  # Sec. 3
        nesterov=True,  # Sec. 3
    ),
    schedule=ByEpoch(  # Sec. 3: dropped by 0.2 at 60, 120 and 160 epochs
        starts=(0, 60, 120, 160), factors=(1.0, 0.2, 0.04, 0.008)
    ),
    weight_decay=WeightDecay(
        rate=5e-4,  # Sec. 3
        variables=".",  # release: gamma, beta and the bias of fc too
    ),
    loss=SoftmaxCrossEntropy(),  # Sec. 3: cross-entropy
    synchronized_batch_norm=False,  # release: one GPU
    train_transforms=(
        *FRAME,
        RandomFlip(),  # Sec. 3
        RandomReflectedShift(4),  # Sec. 3
    ),
    normalize=Standardize(  # Tables 5 and 6; release: 125.3, ..., 66.7
        mean=(125.3 / 255, 123.0 / 255, 113.9 / 255), std=(63.0 / 255, 62.1 / 255, 66.7 / 255)
    ),
    test_transforms=FRAME,
    views=("single",),  # release
    monitor="single",  # Fig. 2
    healthy_after=10,  # ours
)

IMAGENET_RECIPE = dataclasses.replace(
    CIFAR_RECIPE,
    data="imagenet2012",  # Sec. 3
    also_on=(),
    image_size=224,
    num_classes=1000,
    epochs=90,  # fb
    global_batch_size=256,  # fb
    schedule=ByEpoch(  # fb: divided by 10 every 30 epochs
        starts=(0, 30, 60), factors=(1.0, 0.1, 0.01)
    ),
    weight_decay=WeightDecay(rate=1e-4, variables="."),  # fb
    train_transforms=(
        FirstFittingAreaCrop(  # fb: RandomSizedCrop
            size=224, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3), attempts=10, resampling=("bicubic",)
        ),
        RandomFlip(),  # fb
        PhotometricDistortions(low=0.6, high=1.4),  # fb: ColorJitter of 0.4
        Lighting(std=0.1),  # fb
    ),
    normalize=Standardize(  # fb
        mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    test_transforms=(ResizeShorterSide(256), CentreCrop(256)),  # fb
    views=("centre_crop",),  # Tables 7 and 8: single crop
    monitor="centre_crop",
    healthy_after=5,  # ours
)

RECIPES = {
    **{variant: CIFAR_RECIPE for variant in FORMS},
    "wrn_50_2": IMAGENET_RECIPE,
    "wrn_18_1": IMAGENET_RECIPE,
    "wrn_18_1_5": IMAGENET_RECIPE,
    "wrn_18_2": IMAGENET_RECIPE,
    "wrn_18_3": IMAGENET_RECIPE,
    "wrn_34_1": IMAGENET_RECIPE,
    "wrn_34_1_5": IMAGENET_RECIPE,
    "wrn_34_2": IMAGENET_RECIPE,
    "wrn_68_3": IMAGENET_RECIPE,
    "wrn_68_2": IMAGENET_RECIPE,
}

# A test protocol of the weights that torchvision published.
VIEWS = {
    variant: {  # torchvision, IMAGENET1K_V2
        "centre_crop_224_of_232": views.CentreCrop(sides=(232,), size=224)
    }
    for variant, recipe in RECIPES.items()
    if recipe.data == "imagenet2012"
}
