"""Inception-v3 (Szegedy et al., 2015)."""

from common.on_demand import on_demand
from reproductions.inception_v3.recipe import RECIPES
from reproductions.inception_v3.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
