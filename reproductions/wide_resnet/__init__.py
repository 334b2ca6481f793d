"""Wide residual networks (Zagoruyko and Komodakis, 2016)."""

from reproductions.wide_resnet.recipe import RECIPES
from reproductions.wide_resnet.views import VIEWS

__all__ = ["RECIPES", "VIEWS"]
