"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998), as published."""

from common.on_demand import on_demand
from common.papers.deviations import add_deviations
from reproductions.lenet5 import recipe

__all__ = ["RECIPES", "build_model"]
RECIPES = add_deviations(recipe.RECIPES, __path__[0])
__getattr__ = on_demand(__name__, build_model="model")
