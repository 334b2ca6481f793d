"""Inception-v4's tests with many crops, Tables 3 to 5.

The paper gives their numbers, 12 and 144, and not their places: they are taken
to be Inception-v3's, as in soeaver's caffe-model, whose errors agree with the
paper's.
"""

from reproductions.inception_v3.views import CROPS
from reproductions.inception_v4.recipe import RECIPES

VIEWS = dict.fromkeys(RECIPES, CROPS)
