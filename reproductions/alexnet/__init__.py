"""AlexNet (Krizhevsky, Sutskever and Hinton, 2012)."""

from common.on_demand import on_demand
from reproductions.alexnet.recipe import RECIPES

__all__ = ["RECIPES", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
