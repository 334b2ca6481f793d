"""ResNeXt (Xie, Girshick, Dollar, Tu and He, 2016)."""

from common.on_demand import on_demand
from reproductions.resnext.recipe import RECIPES
from reproductions.resnext.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
