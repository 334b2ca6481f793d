"""VGG, configurations A to E (Simonyan and Zisserman, 2014)."""

from common.on_demand import on_demand
from reproductions.vgg.recipe import RECIPES
from reproductions.vgg.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
