"""VGG, configurations A to E (Simonyan and Zisserman, 2014)."""

from common.on_demand import on_demand
from reproductions.vgg.recipe import RECIPES

__all__ = ["RECIPES", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
