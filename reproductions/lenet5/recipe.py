"""The training recipes of LeNet-5 (Sec. III and Appendices A-C)."""

import dataclasses

from common.data.transforms import Pad, RandomAffine, ResizeShorterSide, ScalePixels
from common.recipes.recipe import InitializeFrom, Recipe, Sgd
from common.recipes.schedules import ByEpoch, Constant
from reproductions.lenet5.fitting import FitLayers
from reproductions.lenet5.losses import MapLoss, MseLoss, PairsMse, UnitsMse
from reproductions.lenet5.sdlm import EstimateCurvature, Sdlm

LENET5 = Recipe(
    data="mnist",  # Sec. III-A
    image_size=32,  # Sec. II-B
    channels=1,
    num_classes=10,
    epochs=20,  # Sec. III-B: "20 iterations through the entire training data"
    global_batch_size=1,  # Sec. III-B, App. B: one pattern per update
    optimizer=Sdlm(learning_rate=5e-4, mu=0.02),  # Sec. III-B, App. C
    schedule=ByEpoch(  # Sec. III-B: 5e-4, 2e-4, 1e-4, 5e-5, then 1e-5
        starts=(0, 2, 5, 8, 12), factors=(1.0, 0.4, 0.2, 0.1, 0.02)
    ),
    loss=MapLoss(  # Eq. 9
        j=10.0,  # ours: not given
        scale=0.3,  # ours: Eq. 9 has none
    ),
    train_transforms=(Pad(2),),  # Sec. III-A: 28x28 in a field of background
    normalize=ScalePixels(-0.1, 1.175),  # Sec. II-B
    test_transforms=(Pad(2),),
    views=("single",),
    monitor="single",  # Fig. 5: the test error after each pass
    before_epoch=EstimateCurvature(
        samples=500,  # Sec. III-B
        kept=0.5,  # ours
    ),
    healthy_after=1,  # ours
)

DISTORTIONS = RandomAffine(
    probability=0.9,  # Sec. III-B: 540,000 of 600,000 patterns
    translate_pixels=2.0,  # ours, as all amplitudes
    scale=0.15,
    squeeze=0.1,
    shear=0.3,
)

# Sec. III-C, item 5: "trained with the version of back-propagation described
# in Appendix C"; passes and rates are those of Sec. III-B.
FULLY_CONNECTED = dataclasses.replace(
    LENET5,
    image_size=28,  # Fig. 9: 28x28-300-10
    loss=UnitsMse(scale=1.0),  # ours: not said
    train_transforms=(),
    test_transforms=(),
    before_epoch=EstimateCurvature(
        samples=500,  # Sec. III-B
        kept=0.0,
    ),
)
FULLY_CONNECTED_DISTORTED = dataclasses.replace(FULLY_CONNECTED, train_transforms=(DISTORTIONS,))

LENET4 = dataclasses.replace(
    FULLY_CONNECTED,
    image_size=32,  # as LeNet-5, to which it is "very similar"
    train_transforms=(Pad(2),),
    test_transforms=(Pad(2),),
)


def fitted(recipe: Recipe) -> Recipe:
    """Sec. III-C, items 2 to 4: all is done before the only pass, which changes nothing."""
    return dataclasses.replace(
        recipe,
        epochs=1,  # which measures the training error
        global_batch_size=500,  # ours: does not matter
        optimizer=Sgd(learning_rate=0.0, momentum=0.0, nesterov=False),  # changes nothing
        schedule=Constant(value=1.0),
        before_epoch=FitLayers(),  # to all training digits
    )


RECIPES = {
    "lenet5": LENET5,
    "lenet5_distorted": dataclasses.replace(LENET5, train_transforms=(Pad(2), DISTORTIONS)),
    # Fig. 6: 15,000, 30,000 and 60,000 training patterns.
    "lenet5_15k": dataclasses.replace(LENET5, train_images=15_000),
    "lenet5_30k": dataclasses.replace(LENET5, train_images=30_000),
    "lenet5_mse": dataclasses.replace(  # Eq. 8
        LENET5, loss=MseLoss(scale=0.1), before_epoch=EstimateCurvature(samples=500, kept=0.0)
    ),
    "lenet5_as_written": dataclasses.replace(  # Eq. 9 and App. A to the letter
        LENET5,
        loss=MapLoss(j=10.0, scale=1.0),
        before_epoch=EstimateCurvature(samples=500, kept=0.0),
    ),
    "lenet5_unit_start": LENET5,  # from +-1 / sqrt(F): model.py
    # Sec. III-C: what LeNet-5 is compared with.
    "mnist_linear": FULLY_CONNECTED,
    "mnist_linear_squashed": FULLY_CONNECTED,
    "mnist_linear_deslanted": FULLY_CONNECTED,  # deslanted by the network
    "mnist_300": FULLY_CONNECTED,
    "mnist_300_distorted": FULLY_CONNECTED_DISTORTED,
    "mnist_300_deslanted": FULLY_CONNECTED,
    "mnist_1000": FULLY_CONNECTED,
    "mnist_1000_distorted": FULLY_CONNECTED_DISTORTED,
    "mnist_300_100": FULLY_CONNECTED,
    "mnist_300_100_distorted": FULLY_CONNECTED_DISTORTED,
    "mnist_500_150": FULLY_CONNECTED,
    "mnist_500_150_distorted": FULLY_CONNECTED_DISTORTED,
    "lenet1": dataclasses.replace(
        FULLY_CONNECTED,
        # "down-sampled to 16x16 pixels and centered in the 28x28 input layer":
        # the digit's 20x20 pixels, 28 * 16 / 20 = 22 with what is around them.
        train_transforms=(ResizeShorterSide(22), Pad(3)),
        test_transforms=(ResizeShorterSide(22), Pad(3)),
    ),
    "lenet4": LENET4,
    "mnist_pairwise": dataclasses.replace(
        FULLY_CONNECTED,
        loss=PairsMse(),  # Sec. III-C: the targets; ours: squared distances
    ),
    "mnist_quadratic": fitted(FULLY_CONNECTED),
    "mnist_rbf": fitted(FULLY_CONNECTED),
    "mnist_knn": fitted(FULLY_CONNECTED),
    "mnist_knn_deslanted": fitted(FULLY_CONNECTED),
    "lenet4_knn": dataclasses.replace(
        fitted(LENET4),
        initialize_from=InitializeFrom(variant="lenet4", layers="C1|S2|C3|S4|F5", renamed=None),
    ),
}
