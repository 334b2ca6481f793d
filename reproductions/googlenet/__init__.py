"""GoogLeNet (Szegedy et al., 2014)."""

from common.on_demand import on_demand
from reproductions.googlenet.recipe import RECIPES
from reproductions.googlenet.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
