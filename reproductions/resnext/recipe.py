"""ResNeXt's training, Section 4 and Appendix A.

Sources: "Sec." is the paper, arXiv:1611.05431v2; "release" is
facebookresearch/ResNeXt, whose code is that of fb.resnet.torch ("fb"), which
the paper refers to for what it does not say.
"""

import dataclasses

from common.data.transforms import (
    CentreCrop,
    FirstFittingAreaCrop,
    Lighting,
    PhotometricDistortions,
    RandomFlip,
    RandomShift,
    ResizeShorterSide,
    Standardize,
    ZeroBorder,
)
from common.evaluation import views
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import Recipe, Sgd, WeightDecay
from common.recipes.schedules import ByEpoch
from reproductions.resnext.forms import FORMS

IMAGENET_RECIPE = Recipe(
    data="imagenet2012",  # Sec. 5.1
    image_size=224,  # Sec. 4
    channels=3,
    num_classes=1000,  # Sec. 5.1
    epochs=100,  # release
    global_batch_size=256,  # Sec. 4: on 8 GPUs, 32 each
    optimizer=Sgd(
        learning_rate=0.1,  # Sec. 4
        momentum=0.9,  # Sec. 4
        nesterov=True,  # release
    ),
    schedule=ByEpoch(  # Sec. 4: divided by 10 three times; release: when
        starts=(0, 30, 60, 90), factors=(1.0, 0.1, 0.01, 0.001)
    ),
    weight_decay=WeightDecay(
        rate=1e-4,  # Sec. 4
        variables=".",  # release: gamma, beta and the bias of fc too
    ),
    loss=SoftmaxCrossEntropy(),
    synchronized_batch_norm=False,  # Sec. 4: 32 images on each GPU
    train_transforms=(
        # Sec. 4: scale and aspect ratio augmentation, as implemented by fb
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
    test_transforms=(ResizeShorterSide(256), CentreCrop(256)),  # Sec. 4
    views=("centre_crop",),  # Sec. 4: "single 224x224 center crop"
    monitor="centre_crop",  # Fig. 5
)

FRAME = (ResizeShorterSide(32), CentreCrop(32))  # CIFAR-10 as it is
CIFAR_RECIPE = dataclasses.replace(
    IMAGENET_RECIPE,
    data="cifar10",  # Sec. 5.3
    image_size=32,
    num_classes=10,
    epochs=300,  # App. A
    global_batch_size=128,  # App. A: on 8 GPUs, 16 each
    schedule=ByEpoch(  # App. A: divided at 150 and 225 of 300 epochs
        starts=(0, 150, 225), factors=(1.0, 0.1, 0.01)
    ),
    weight_decay=WeightDecay(rate=5e-4, variables="."),  # App. A; release
    train_transforms=(
        *FRAME,
        RandomShift(4),  # App. A: 32x32 of a zero-padded 40x40
        RandomFlip(),  # App. A
    ),
    normalize=Standardize(  # fb: 125.3, 123.0, 113.9 and 63.0, 62.1, 66.7
        mean=(125.3 / 255, 123.0 / 255, 113.9 / 255), std=(63.0 / 255, 62.1 / 255, 66.7 / 255)
    ),
    train_noise=(ZeroBorder(),),  # fb: normalised, then padded
    test_transforms=FRAME,
    views=("single",),  # ours: as [14], ResNet, Sec. 4.2
    monitor="single",  # Fig. 7
    healthy_after=10,  # ours
)

RECIPES = {
    **{variant: IMAGENET_RECIPE for variant in FORMS},
    "cifar_resnext29_8x64d": CIFAR_RECIPE,
    "cifar_resnext29_16x64d": CIFAR_RECIPE,
}

# ResNeXt's test protocols beyond its centre crop, Section 5.1 and Table 5.
IMAGENET_VIEWS = {
    # Sec. 5.1: "the multi-scale dense testing in [14]", ResNet; its sizes, and no
    # mirror images: see reproductions/resnet/recipe.py.
    "multi_scale_dense": views.Dense(sides=(224, 256, 384, 480, 640), mirrored=False),
    "centre_crop_320": views.CentreCrop(sides=(320,), size=320),  # Table 5
    # torchvision, IMAGENET1K_V2
    "centre_crop_224_of_232": views.CentreCrop(sides=(232,), size=224),
}

VIEWS = {
    variant: IMAGENET_VIEWS for variant, recipe in RECIPES.items() if recipe.data == "imagenet2012"
}
