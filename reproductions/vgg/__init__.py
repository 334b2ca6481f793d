"""VGG, configurations A to E (Simonyan and Zisserman, 2014)."""

from reproductions.vgg.recipe import RECIPES
from reproductions.vgg.views import VIEWS

__all__ = ["RECIPES", "VIEWS"]
