"""ResNet on ImageNet (He, Zhang, Ren and Sun, 2015)."""

from common.on_demand import on_demand
from reproductions.resnet.recipe import RECIPES
from reproductions.resnet.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
