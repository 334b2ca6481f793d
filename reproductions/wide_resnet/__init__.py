"""Wide residual networks (Zagoruyko and Komodakis, 2016)."""

from common.on_demand import on_demand
from reproductions.wide_resnet.recipe import RECIPES
from reproductions.wide_resnet.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
