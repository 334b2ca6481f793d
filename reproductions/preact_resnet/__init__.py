"""Pre-activation ResNets (He, Zhang, Ren and Sun, 2016)."""

from common.on_demand import on_demand
from reproductions.preact_resnet.recipe import RECIPES
from reproductions.preact_resnet.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
