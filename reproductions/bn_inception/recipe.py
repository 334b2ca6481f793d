"""Training of the networks of Section 4.2.

Sources: "Sec." and "Fig." are of the paper, arXiv:1502.03167; "GoogLeNet" is
arXiv:1409.4842, which the paper's Inception follows; "BVLC" is
models/bvlc_googlenet of BVLC/caffe.
"""

import dataclasses

from common.data.transforms import (
    Binarize,
    CentreCrop,
    PhotometricDistortions,
    RandomAreaCrop,
    RandomFlip,
    ResizeShorterSide,
    SubtractChannelMean,
)
from common.evaluation import views
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import Recipe, Sgd, WeightDecay
from common.recipes.schedules import Constant, EveryEpochs

CROP_AND_FLIP = (
    RandomAreaCrop(  # GoogLeNet, Sec. 6
        size=224,
        area=(0.08, 1.0),
        aspect=(3 / 4, 4 / 3),
        resampling=("bilinear", "area", "nearest", "bicubic"),
    ),
    RandomFlip(),  # GoogLeNet, Sec. 7, of the test crops
)

INCEPTION = Recipe(
    data="imagenet2012",  # Sec. 4.2
    image_size=224,  # Fig. 4
    channels=3,
    num_classes=1000,  # Sec. 4.2
    epochs=775,  # the updates end within the 775th
    updates=31_000_000,  # Fig. 3
    global_batch_size=32,  # Sec. 4.2
    optimizer=Sgd(
        learning_rate=0.0015,  # Sec. 4.2.2
        momentum=0.9,  # GoogLeNet, Sec. 6
        nesterov=False,  # not in the paper
    ),
    schedule=EveryEpochs(epochs=8, times=0.96),  # GoogLeNet, Sec. 6
    weight_decay=WeightDecay(rate=2e-4, variables="kernel"),  # BVLC
    loss=SoftmaxCrossEntropy(),  # Sec. 4.2: a softmax layer
    synchronized_batch_norm=True,  # Alg. 1: over the mini-batch
    train_transforms=(
        *CROP_AND_FLIP,
        PhotometricDistortions(low=0.5, high=1.5),  # GoogLeNet, Sec. 6
    ),
    normalize=SubtractChannelMean(),  # GoogLeNet, Sec. 5
    test_transforms=(ResizeShorterSide(256), CentreCrop(256)),  # GoogLeNet
    views=("centre_crop",),  # Sec. 4.2; 144 crops: VIEWS
    monitor="centre_crop",  # Fig. 2
)

# Sec. 4.2.1. Dropout and LRN, removed as well, are the network's.
BN_X30 = dataclasses.replace(
    INCEPTION,
    epochs=150,  # the updates end within the 150th
    updates=6_000_000,  # Sec. 4.2.2
    optimizer=Sgd(
        learning_rate=0.045,  # Sec. 4.2.2: 30 times Inception's
        momentum=0.9,  # GoogLeNet, Sec. 6
        nesterov=False,  # not in the paper
    ),
    schedule=EveryEpochs(epochs=4, times=0.96**3),  # 6 times faster
    weight_decay=WeightDecay(rate=2e-4 / 5, variables="kernel"),
    train_transforms=(
        *CROP_AND_FLIP,
        PhotometricDistortions(low=0.75, high=1.25),  # ours: half as much
    ),
)

BN_X5 = dataclasses.replace(
    BN_X30,
    optimizer=dataclasses.replace(
        BN_X30.optimizer,
        learning_rate=0.0075,  # Sec. 4.2.2: 5 times Inception's
    ),
)

BN_MNIST = Recipe(  # Sec. 4.1
    data="mnist",
    image_size=28,
    channels=1,
    num_classes=10,
    epochs=50,
    updates=50_000,
    global_batch_size=60,
    optimizer=Sgd(
        learning_rate=1.0,  # ours: the paper has none
        momentum=0.0,  # not in the paper
        nesterov=False,
    ),
    schedule=Constant(value=1.0),  # not in the paper
    loss=SoftmaxCrossEntropy(),
    synchronized_batch_norm=True,  # Alg. 1: over the mini-batch
    train_transforms=(),
    normalize=Binarize(128),  # ours: "binary image"
    test_transforms=(),
    views=("single",),
    monitor="single",  # Fig. 1(a), each 1,000 updates
    healthy_after=50,  # ours: without batch normalisation it starts slowly
)

RECIPES = {
    "bn_inception": BN_X30,
    "bn_x5": BN_X5,
    "bn_x5_sigmoid": BN_X5,  # Sec. 4.2.2: another nonlinearity
    "bn_baseline": INCEPTION,  # Sec. 4.2.2: nothing else is changed
    "inception_no_bn": INCEPTION,
    "inception_no_bn_sigmoid": dataclasses.replace(
        INCEPTION,
        healthy_after=INCEPTION.epochs,  # it never leaves chance, Sec. 4.2.2
    ),
    "bn_inception_narrow": BN_X30,
    "bn_inception_caffe": BN_X30,
    "bn_mnist": BN_MNIST,
    "bn_mnist_baseline": BN_MNIST,
}

# The multi-crop test of batch normalization's paper, Figure 4.
#
# Its crops are "similar to" GoogLeNet's; that they are the same is our reading,
# and soeaver's caffe-model's. The probabilities are averaged (Sec. 4.2.3).
CROPS = views.SquareCrops(sides=(256, 288, 320, 352), size=224, mirrored=True)

VIEWS = {
    variant: {"144_crop": CROPS}
    for variant, recipe in RECIPES.items()
    if recipe.data == "imagenet2012"
}
