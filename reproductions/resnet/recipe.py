"""ResNet's training on ImageNet, Sections 3.4 and 4.1.

Sources: "Sec." is the paper; "P2" is "Identity Mappings in Deep Residual
Networks" (2016), by the same authors, which tells more of the same training.
"""

from common.data.transforms import (
    CentreCrop,
    PcaColourNoise,
    RandomCrop,
    RandomFlip,
    RandomShorterSide,
    ResizeShorterSide,
    SubtractCentreMean,
)
from common.evaluation import views
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import Recipe, Sgd, WeightDecay
from common.recipes.schedules import DivideOnPlateau
from reproductions.resnet.forms import FORMS

RESNET = Recipe(
    data="imagenet2012",  # Sec. 4.1
    image_size=224,  # Sec. 3.4
    channels=3,
    num_classes=1000,  # Sec. 4.1
    epochs=120,  # as many as the updates take
    updates=600_000,  # Sec. 3.4: "up to 60 x 10^4 iterations"
    held_out=0,  # Sec. 4.1: 1.28 million images train, 50k validate
    initialize_from=None,  # Sec. 3.4: "from scratch"
    global_batch_size=256,  # Sec. 3.4
    optimizer=Sgd(
        learning_rate=0.1,  # Sec. 3.4
        momentum=0.9,  # Sec. 3.4
        nesterov=False,  # not in the paper; Caffe's SGD
    ),
    schedule=DivideOnPlateau(
        divisor=10.0,  # Sec. 3.4: "when the error plateaus"
        patience=6,  # ours
        max_drops=2,  # P2: after 30 and 60 epochs
        metric="val_top1_error",
        min_delta=0.1,  # ours: percentage points
    ),
    weight_decay=WeightDecay(
        rate=1e-4,  # Sec. 3.4
        variables="kernel",  # convolutions and fc; no gamma, beta, bias
    ),
    loss=SoftmaxCrossEntropy(),  # Table 1: softmax
    synchronized_batch_norm=False,  # 8 GPUs with 32 images each
    train_transforms=(
        RandomShorterSide(256, 480),  # Sec. 3.4
        RandomCrop(224),  # Sec. 3.4
        RandomFlip(),  # Sec. 3.4
    ),
    normalize=SubtractCentreMean(),  # Sec. 3.4: "per-pixel mean"
    train_noise=(
        # Sec. 3.4: "the standard color augmentation in [21]", AlexNet's.
        PcaColourNoise(std=0.1, shrink=1.0),
    ),
    test_transforms=(ResizeShorterSide(256), CentreCrop(256)),  # release
    views=("centre_crop", "ten_crop"),  # Sec. 3.4; Fig. 4; dense: VIEWS
    monitor="centre_crop",  # Fig. 4: the curves are of centre crops
)

RECIPES = dict.fromkeys(FORMS, RESNET)

# ResNet's test protocols beyond its ten crops, Sections 3.4 and 4.1.
VIEWS = {
    variant: {
        # Sec. 3.4: "the fully-convolutional form as in [41, 13], and average
        # the scores at multiple scales"; [41] is VGG's paper. Of mirror images
        # it says nothing: none here. Scores are softmax outputs, as in [41].
        "multi_scale_dense": views.Dense(sides=(224, 256, 384, 480, 640), mirrored=False),
        # "Identity Mappings", Sec. 5: 320x320 from a shorter side of 320.
        "centre_crop_320": views.CentreCrop(sides=(320,), size=320),
        # torchvision, IMAGENET1K_V2
        "centre_crop_224_of_232": views.CentreCrop(sides=(232,), size=224),
    }
    for variant in RECIPES
}
