"""VGG's test protocols, Sections 3.2 and 4.

"Sec." and "Table" are of arXiv:1409.1556v6. Q is the shorter side of a test
image, S that of a training image. The softmax outputs of an image and of its
mirror image are averaged (Sec. 3.2), those of several scales (Sec. 4.2) and
those of crops and of dense evaluation (Sec. 4.3) as well.
"""

from common.evaluation.protocols import Dense, GridCrops, MeanOf
from reproductions.vgg.recipe import RECIPES

JITTER = (256, 384, 512)  # Sec. 4.2: S_min, the middle, S_max


def dense(*sides: int) -> Dense:
    """The whole image at each Q, and its mirror image (Sec. 3.2)."""
    return Dense(sides=sides, mirrored=True)


def fixed(side: int) -> dict:
    """Of a network trained at a fixed S."""
    return {
        "dense": dense(side),  # Sec. 4.1: Q = S
        "dense_multi_scale": dense(side - 32, side, side + 32),  # Sec. 4.2
    }


# Sec. 3.2, 4.3: 5 x 5 places x 2 flips x 3 scales = 150 crops.
CROPS = GridCrops(sides=JITTER, size=224, places=5)
JITTERED = {
    "dense": dense(384),  # Sec. 4.1: Q = 0.5 (256 + 512)
    "dense_multi_scale": dense(*JITTER),
    "multi_crop": CROPS,
    "multi_crop_and_dense": MeanOf((CROPS, dense(*JITTER))),  # Sec. 4.3
}


def _views(variant: str) -> dict:
    if variant.endswith("_jitter"):
        return JITTERED
    return fixed(384 if variant.endswith("_384") else 256)


VIEWS = {variant: _views(variant) for variant in RECIPES}
