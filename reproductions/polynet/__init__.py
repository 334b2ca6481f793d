"""PolyNet (Zhang, Li, Loy and Lin, 2016)."""

from common.on_demand import on_demand
from reproductions.polynet.recipe import RECIPES
from reproductions.polynet.views import VIEWS

__all__ = ["RECIPES", "VIEWS", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
