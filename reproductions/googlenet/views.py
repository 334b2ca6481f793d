"""GoogLeNet's test protocol, Section 7: 144 crops."""

from common.evaluation.protocols import SquareCrops
from reproductions.googlenet.recipe import RECIPES

# "4 scales where the shorter dimension is 256, 288, 320 and 352"; "4 x 3 x 6 x
# 2 = 144 crops"; "the softmax probabilities are averaged over multiple crops".
CROPS = SquareCrops(sides=(256, 288, 320, 352), size=224)

VIEWS = {variant: {"144_crop": CROPS} for variant in RECIPES}
