"""ResNeXt (Xie, Girshick, Dollar, Tu and He, 2016)."""

from reproductions.resnext.recipe import RECIPES
from reproductions.resnext.views import VIEWS

__all__ = ["RECIPES", "VIEWS"]
