"""A test protocol of the weights that torchvision published."""

from common.evaluation.protocols import CentreCrop
from reproductions.wide_resnet.recipe import RECIPES

VIEWS = {
    variant: {  # torchvision, IMAGENET1K_V2
        "centre_crop_224_of_232": CentreCrop(side=232, size=224)
    }
    for variant, recipe in RECIPES.items()
    if recipe.data == "imagenet2012"
}
