"""GoogLeNet's training, Section 6, and that of BVLC's replication.

Sources: "Sec." is the paper, arXiv:1409.4842; "BVLC" is models/bvlc_googlenet
of BVLC/caffe, whose readme thanks Szegedy for his help; "quick" its
quick_solver.prototxt, which trained the released weights.
"""

import dataclasses
from typing import Any

from common.data.transforms import (
    CentreCrop,
    PhotometricDistortions,
    RandomAreaCrop,
    RandomCrop,
    RandomFlip,
    ResizeShorterSide,
    SubtractChannelMean,
)
from common.evaluation import views
from common.recipes.losses import SoftmaxCrossEntropy, WithAuxiliary
from common.recipes.recipe import GroupSchedule, Recipe, Sgd, WeightDecay
from common.recipes.schedules import EveryEpochs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Polynomial:
    """start * (1 - updates made / updates) ** power; Caffe's "poly".

    Attributes:
        start: The factor of the first update.
        power: 0.5 falls slowly first and fast at the end.
        updates: After so many the factor is 0.
    """

    start: float
    power: float
    updates: int

    def factor(self, *, step: int, **now: Any) -> float:
        """Of update `step`, counted from 0 at the start of the training."""
        left = max(0.0, 1 - step / self.updates)
        return self.start * left**self.power


FRAME = (ResizeShorterSide(256), CentreCrop(256))  # Sec. 7: smallest scale

GOOGLENET = Recipe(
    data="imagenet2012",  # Sec. 7
    image_size=224,  # Sec. 5
    channels=3,  # Sec. 5: RGB
    num_classes=1000,  # Table 1
    epochs=250,  # BVLC: 10,000,000 updates of 32
    global_batch_size=32,  # BVLC
    optimizer=Sgd(
        learning_rate=0.01,  # BVLC
        momentum=0.9,  # Sec. 6
        nesterov=False,  # not in the paper
    ),
    schedule=EveryEpochs(epochs=8, times=0.96),  # Sec. 6
    weight_decay=WeightDecay(rate=2e-4, variables="kernel"),  # BVLC
    loss=WithAuxiliary(  # Sec. 5
        main=SoftmaxCrossEntropy(), weight=0.3, heads=2
    ),
    average_decay=0.9999,  # Sec. 6: Polyak; form and constant: TensorFlow's
    train_transforms=(
        RandomAreaCrop(  # Sec. 6: not the contest's, but found after it
            size=224,
            area=(0.08, 1.0),
            aspect=(3 / 4, 4 / 3),
            resampling=("bilinear", "area", "nearest", "bicubic"),
        ),
        RandomFlip(),  # Sec. 7, of the test crops
        PhotometricDistortions(low=0.5, high=1.5),  # Sec. 6; Howard 2013
    ),
    normalize=SubtractChannelMean(),  # Sec. 5: "with mean subtraction"
    train_noise=(),  # Sec. 6
    test_transforms=FRAME,
    views=("centre_crop", "ten_crop"),  # Table 3; 144 crops: VIEWS
    monitor="centre_crop",  # ours: a tenth of the cost of ten_crop
)

# BVLC: 60 passes under the quick solver instead of 250, plain augmentation.
QUICK_UPDATES = 2_400_000  # quick: max_iter
BVLC_RECIPE = dataclasses.replace(
    GOOGLENET,
    epochs=60,  # BVLC readme; the updates end within the 60th
    updates=QUICK_UPDATES,
    schedule=Polynomial(start=1.0, power=0.5, updates=QUICK_UPDATES),  # quick
    group_schedules=(
        GroupSchedule(  # BVLC: lr_mult 2
            variables="bias", schedule=Polynomial(start=2.0, power=0.5, updates=QUICK_UPDATES)
        ),
    ),
    average_decay=None,  # Caffe has none
    train_transforms=(*FRAME, RandomCrop(224), RandomFlip()),  # BVLC
    views=("centre_crop",),  # BVLC: what its readme reports
)

RECIPES = {"googlenet": GOOGLENET, "googlenet_separable": GOOGLENET, "bvlc_googlenet": BVLC_RECIPE}

# GoogLeNet's test protocol, Section 7: 144 crops.
# "4 scales where the shorter dimension (height or width) is 256, 288, 320 and 352
# respectively"; "4 x 3 x 6 x 2 = 144 crops per image"; "the softmax probabilities are
# averaged over multiple crops and over all the individual classifiers".
CROPS = views.SquareCrops(sides=(256, 288, 320, 352), size=224, mirrored=True)

VIEWS = {variant: {"144_crop": CROPS} for variant in RECIPES}
