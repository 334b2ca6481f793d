"""ResNeXt's test protocols beyond its centre crop, Section 5.1 and Table 5."""

from common.evaluation.protocols import CentreCrop, Dense
from reproductions.resnext.recipe import RECIPES

IMAGENET = {
    # Sec. 5.1: "multi-scale dense testing", without its scales; ResNet's here,
    # its mirror images none: see reproductions/resnet/views.py.
    "multi_scale_dense": Dense(sides=(224, 256, 384, 480, 640), mirrored=False),
    "centre_crop_320": CentreCrop(side=320, size=320),  # Table 5
    # torchvision, IMAGENET1K_V2
    "centre_crop_224_of_232": CentreCrop(side=232, size=224),
}

VIEWS = {variant: IMAGENET for variant, recipe in RECIPES.items() if recipe.data == "imagenet2012"}
