"""GoogLeNet (Szegedy et al., 2014)."""

from reproductions.googlenet.recipe import RECIPES
from reproductions.googlenet.views import VIEWS

__all__ = ["RECIPES", "VIEWS"]
