"""ResNeXt (Xie, Girshick, Dollar, Tu and He, 2016)."""

from common.on_demand import on_demand
from common.papers.deviations import add_deviations
from reproductions.resnext import recipe
from reproductions.resnext.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
RECIPES = add_deviations(recipe.RECIPES, __path__[0])
__getattr__ = on_demand(__name__, build_model="model")
