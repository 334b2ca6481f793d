"""The test protocols of "Identity Mappings" on ImageNet, Section 5.

"FB" is fb.resnet.torch, the code of the weights that were published.
"""

from common.evaluation.protocols import CentreCrop, TenCrop
from reproductions.preact_resnet.recipe import RECIPES

# Sec. 5: one crop of 320x320 from a shorter side of 320.
CROP_320 = {"centre_crop_320": CentreCrop(side=320, size=320)}

VIEWS = {variant: CROP_320 for variant, recipe in RECIPES.items() if recipe.data == "imagenet2012"}
VIEWS["preact_resnet200_fair"] = CROP_320 | {
    # FB adds up the ten crops' logits; the exponential is commented out.
    "ten_crop_of_logits": TenCrop(side=256, size=224, average="logits")
}
