"""Pre-activation ResNets (He, Zhang, Ren and Sun, 2016)."""

from reproductions.preact_resnet.recipe import RECIPES
from reproductions.preact_resnet.views import VIEWS

__all__ = ["RECIPES", "VIEWS"]
