"""Pre-activation ResNets (He, Zhang, Ren and Sun, 2016)."""

from common.on_demand import on_demand
from common.papers.deviations import add_deviations
from reproductions.preact_resnet import recipe
from reproductions.preact_resnet.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
RECIPES = add_deviations(recipe.RECIPES, __path__[0])
__getattr__ = on_demand(__name__, build_model="model")
