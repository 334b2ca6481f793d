"""ResNet on ImageNet (He, Zhang, Ren and Sun, 2015)."""

from reproductions.resnet.recipe import RECIPES
from reproductions.resnet.views import VIEWS

__all__ = ["RECIPES", "VIEWS"]
