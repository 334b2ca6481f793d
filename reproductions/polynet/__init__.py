"""PolyNet (Zhang, Li, Loy and Lin, 2016)."""

from common.on_demand import on_demand
from reproductions.polynet.recipe import RECIPES

__all__ = ["RECIPES", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
