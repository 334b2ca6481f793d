"""PolyNet's training.

The paper's own text was not at hand. Sources: "summaries" are what others
wrote about it (Chinese, Korean and SH Tsang's reviews, and secondary ones);
"release" is open-mmlab/polynet with the network of its prototxt; "issue 1" and
"issue 2" are its authors' answers there.
"""

import dataclasses

from common.data.transforms import (
    CentreCrop,
    RandomAreaCrop,
    RandomFlip,
    ResizeShorterSide,
    Standardize,
)
from common.evaluation import views
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import InitializeFrom, Recipe, RmsProp, WeightDecay
from common.recipes.schedules import ByStep
from reproductions.polynet.forms import FORMS, Interleaved

# Summaries: against over-fitting, late in the training. The update is ours.
STOCHASTIC_PATHS_FROM = {"polynet": 480_000}

IR_10_20_10 = Recipe(
    data="imagenet2012",
    image_size=331,  # release
    channels=3,
    num_classes=1000,
    epochs=224,  # as many as the updates take
    updates=560_000,  # summaries
    global_batch_size=512,  # summaries: 32 GPUs with 16 each
    optimizer=RmsProp(
        learning_rate=0.45,  # summaries
        decay=0.9,  # from memory
        momentum=0.0,  # ours
        epsilon=1.0,  # from memory
    ),
    schedule=ByStep(  # summaries: divided by 10 every 160,000 updates
        starts=(0, 160_000, 320_000, 480_000), factors=(1.0, 0.1, 0.01, 0.001)
    ),
    weight_decay=WeightDecay(rate=4e-5, variables="kernel"),  # ours
    loss=SoftmaxCrossEntropy(),  # ours
    train_transforms=(  # ours
        RandomAreaCrop(size=331, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3), resampling=("bilinear",)),
        RandomFlip(),
    ),
    normalize=Standardize(  # port
        mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    # 378 and one crop: issue 1. The aspect ratio is kept; squashed: VIEWS.
    test_transforms=(ResizeShorterSide(378), CentreCrop(378)),
    views=("centre_crop",),
    monitor="centre_crop",
)


# For the networks of the ablation study.
ABLATED = dataclasses.replace(
    IR_10_20_10,
    image_size=299,
    train_transforms=tuple(
        transform.scaled(299 / 331) for transform in IR_10_20_10.train_transforms
    ),
    test_transforms=(ResizeShorterSide(342), CentreCrop(342)),  # ours
)

RECIPES = {
    "polynet": dataclasses.replace(
        IR_10_20_10,
        # Summaries: second-order blocks are inserted into a trained network of
        # first-order units; only what is new begins at random.
        initialize_from=InitializeFrom(variant="ir_10_20_10", layers=".*", renamed=None),
    ),
    **{variant: ABLATED for variant in FORMS if variant.startswith("ir_3_")},
    "ir_10_20_10": IR_10_20_10,
    "ir_5_10_5": IR_10_20_10,
    "ir_10_20_10_interleaved": dataclasses.replace(
        IR_10_20_10,
        # Summaries: new units are interleaved with those of a trained network.
        initialize_from=InitializeFrom(
            variant="ir_5_10_5",
            layers=".*",
            renamed=Interleaved(before=(5, 10, 5), after=(10, 20, 10)),
        ),
    ),
}

# PolyNet's test protocol: one crop of a squashed image.
#
# The authors in issue 1 of open-mmlab/polynet: 378x378, the aspect ratio
# ignored, then the centre 331x331. Their many crops, whose highest scores
# are pooled, were never published. At 363 pixels, in the same proportion: ours,
# a second scale for `ensemble cu_deeplink`.
VIEWS = {
    variant: {
        "squashed_centre_crop": views.CentreCrop(
            sides=(378,) if recipe.image_size == 331 else (342,),  # 299: ours
            size=recipe.image_size,
            squashed=True,
        )
    }
    for variant, recipe in RECIPES.items()
}
VIEWS["polynet"]["squashed_centre_crop_363"] = views.CentreCrop(
    sides=(415,), size=363, squashed=True
)
