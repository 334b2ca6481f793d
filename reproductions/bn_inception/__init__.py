"""Batch normalization (Ioffe and Szegedy, 2015)."""

from common.on_demand import on_demand
from reproductions.bn_inception.recipe import RECIPES
from reproductions.bn_inception.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
