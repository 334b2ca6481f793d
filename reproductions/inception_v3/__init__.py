"""Inception-v3 (Szegedy et al., 2015)."""

from common.on_demand import on_demand
from common.papers.deviations import add_deviations
from reproductions.inception_v3 import recipe
from reproductions.inception_v3.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
RECIPES = add_deviations(recipe.RECIPES, __path__[0])
__getattr__ = on_demand(__name__, build_model="model")
