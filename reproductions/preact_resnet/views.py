"""The test protocols of "Identity Mappings" on ImageNet, Section 5.

"FB" is fb.resnet.torch, the code of the weights that were published.
"""

from common.evaluation.views import CentreCrop, CornerCrops
from reproductions.preact_resnet.recipe import RECIPES

# Sec. 5: one crop of 320x320 from a shorter side of 320.
CROP_320 = {"centre_crop_320": CentreCrop(sides=(320,), size=320)}

VIEWS = {variant: CROP_320 for variant, recipe in RECIPES.items() if recipe.data == "imagenet2012"}
VIEWS["preact_resnet200_fair"] = CROP_320 | {
    # FB adds up the ten crops' logits; the exponential is commented out.
    "ten_crop_of_logits": CornerCrops(sides=(256,), size=224, mirrored=True, average="logits")
}
