"""PolyNet's test protocol: one crop of a squashed image.

The authors in issue 1 of open-mmlab/polynet: 378x378, the aspect ratio
ignored, then the centre 331x331. Their many crops, whose highest scores
are pooled, were never published. At 363 pixels, in the same proportion: ours,
a second scale for `ensemble cu_deeplink`.
"""

from common.evaluation.protocols import SquashedCentreCrop
from reproductions.polynet.recipe import RECIPES

VIEWS = {
    variant: {
        "squashed_centre_crop": SquashedCentreCrop(
            side=378 if recipe.image_size == 331 else 342,  # 299: ours
            size=recipe.image_size,
        )
    }
    for variant, recipe in RECIPES.items()
}
VIEWS["polynet"]["squashed_centre_crop_363"] = SquashedCentreCrop(side=415, size=363)
