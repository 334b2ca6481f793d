"""PolyNet's test protocol: one crop of a squashed image.

The authors in issue 1 of open-mmlab/polynet: 378x378, the aspect ratio
ignored, then the centre 331x331. Their many crops, whose highest scores
are pooled, were never published.
"""

from common.protocols import SquashedCentreCrop
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
