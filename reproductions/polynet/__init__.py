"""PolyNet (Zhang, Li, Loy and Lin, 2016)."""

from common.on_demand import on_demand
from common.papers.deviations import add_deviations
from reproductions.polynet import recipe
from reproductions.polynet.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
RECIPES = add_deviations(recipe.RECIPES, __path__[0])
__getattr__ = on_demand(__name__, build_model="model")
