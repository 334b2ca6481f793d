"""Inception-v4 and Inception-ResNet (Szegedy et al., 2016)."""

from common.on_demand import on_demand
from reproductions.inception_v4.recipe import RECIPES

__all__ = ["RECIPES", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
