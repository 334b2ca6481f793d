"""PolyNet (Zhang, Li, Loy and Lin, 2016)."""

from reproductions.polynet.recipe import RECIPES
from reproductions.polynet.views import VIEWS

__all__ = ["RECIPES", "VIEWS"]
