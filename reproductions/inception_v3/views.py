"""Inception-v3's tests with many crops, Tables 4 and 5.

The paper gives their numbers, 12 and 144, and names GoogLeNet; not their
places. Those here are of soeaver's caffe-model, whose errors agree with the
paper's: 12 are of the image squashed to 320x320 (the corners, the centre and
all of it, and their mirror images), 144 are GoogLeNet's with shorter sides of
320 to 416. The softmax outputs are averaged, as GoogLeNet's are.
"""

from common.evaluation.protocols import SquareCrops, SquashedCrops, scaled
from reproductions.inception_v3.recipe import RECIPES

CROPS = {
    "12_crop": SquashedCrops(side=320, size=299),
    "144_crop": SquareCrops(sides=(320, 352, 384, 416), size=299),
}

VIEWS = {
    variant: {name: scaled(view, recipe.image_size / 299) for name, view in CROPS.items()}
    for variant, recipe in RECIPES.items()
}
