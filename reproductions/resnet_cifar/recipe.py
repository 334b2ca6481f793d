"""The training of Section 4.2, "CIFAR-10 and Analysis".

Sources: "Sec. 4.2" is He et al. 2015; "AK" is akamaster's
pytorch_resnet_cifar10, whose published weights can be imported.
"""

import dataclasses

from common.data.transforms import (
    CentreCrop,
    RandomFlip,
    RandomShift,
    ResizeShorterSide,
    Standardize,
    SubtractMeanImage,
)
from common.evaluation import views
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import Recipe, Sgd, WeightDecay
from common.recipes.schedules import ByEpoch, ByStep, WarmUp

FRAME = (ResizeShorterSide(32), CentreCrop(32))  # CIFAR-10 as it is
DROPS = ByStep(  # Sec. 4.2: divided by 10 at 32k and 48k iterations
    starts=(0, 32_000, 48_000), factors=(1.0, 0.1, 0.01)
)

RESNET20 = Recipe(
    data="cifar10",  # Sec. 4.2
    image_size=32,
    channels=3,
    num_classes=10,
    epochs=183,  # as many as 64k iterations of 45,000 images need
    updates=64_000,  # Sec. 4.2: "terminate training at 64k iterations"
    held_out=0,  # Sec. 4.2: "trained on the training set"; 5,000 for its split
    global_batch_size=128,  # Sec. 4.2
    optimizer=Sgd(
        learning_rate=0.1,  # Sec. 4.2
        momentum=0.9,  # Sec. 4.2
        nesterov=False,  # not in the paper
    ),
    schedule=DROPS,
    weight_decay=WeightDecay(rate=1e-4, variables="kernel"),  # Sec. 4.2
    loss=SoftmaxCrossEntropy(),  # Sec. 4.2: "softmax"
    synchronized_batch_norm=False,  # Sec. 4.2: 64 on each of two GPUs
    train_transforms=(
        *FRAME,
        RandomShift(4),  # Sec. 4.2: 4 pixels padded, a random 32x32 crop
        RandomFlip(),  # Sec. 4.2
    ),
    normalize=SubtractMeanImage(),  # Sec. 4.2: "per-pixel mean subtracted"
    test_transforms=FRAME,
    views=("single",),  # Sec. 4.2: "the single view of the original 32x32 image"
    monitor="single",  # Fig. 6: the test error along the training
    healthy_after=10,  # ours
)

# Sec. 4.2, n = 18: 0.01 until the training error is under 80 %, then 0.1.
DEEP = dataclasses.replace(
    RESNET20, schedule=WarmUp(factor_before=0.1, metric="top1_error", below=80.0, then=DROPS)
)

AKAMASTER_RECIPE = dataclasses.replace(
    RESNET20,
    epochs=200,  # AK
    updates=None,
    schedule=ByEpoch(starts=(0, 100, 150), factors=(1.0, 0.1, 0.01)),  # AK
    weight_decay=WeightDecay(rate=1e-4, variables="."),  # AK: all variables
    normalize=Standardize(  # AK: ImageNet's, not CIFAR-10's
        mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    train_transforms=(*FRAME, RandomFlip(), RandomShift(4)),  # AK
)

RECIPES = {
    "cifar_resnet20": RESNET20,
    "cifar_resnet32": RESNET20,
    "cifar_resnet44": RESNET20,
    "cifar_resnet56": RESNET20,
    "cifar_resnet110": DEEP,
    "cifar_resnet1202": DEEP,
    "cifar_plain20": RESNET20,
    "cifar_plain32": RESNET20,
    "cifar_plain44": RESNET20,
    "cifar_plain56": RESNET20,
    "cifar_plain110": DEEP,
    "akamaster_resnet20": AKAMASTER_RECIPE,
    "akamaster_resnet32": AKAMASTER_RECIPE,
    "akamaster_resnet44": AKAMASTER_RECIPE,
    "akamaster_resnet56": AKAMASTER_RECIPE,
}

# Another scale to test at, beside the paper's single view.
#
# Not a protocol of the paper's CIFAR-10 experiments: ResNet's multi-scale test
# of ImageNet (Sec. 3.4) at CIFAR's size, so that `ensemble`'s rules of several
# scales have something real to fuse. 36 = 32 x 9/8, as 288 is of 256.
VIEWS = dict.fromkeys(RECIPES, {"dense_36": views.Dense(sides=(36,), mirrored=False)})
