"""The multi-crop test of batch normalization's paper, Figure 4.

Its crops are "similar to" GoogLeNet's; that they are the same is our reading,
and soeaver's caffe-model's. The probabilities are averaged (Sec. 4.2.3).
"""

from common.evaluation.protocols import SquareCrops
from reproductions.bn_inception.recipe import RECIPES

CROPS = SquareCrops(sides=(256, 288, 320, 352), size=224)

VIEWS = {
    variant: {"144_crop": CROPS}
    for variant, recipe in RECIPES.items()
    if recipe.data == "imagenet2012"
}
