"""Inception-v4 and Inception-ResNet (Szegedy et al., 2016)."""

from common.on_demand import on_demand
from reproductions.inception_v4.recipe import RECIPES
from reproductions.inception_v4.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
