"""Batch normalization (Ioffe and Szegedy, 2015)."""

from common.on_demand import on_demand
from reproductions.bn_inception.recipe import RECIPES

__all__ = ["RECIPES", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
