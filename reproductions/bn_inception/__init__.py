"""Batch normalization (Ioffe and Szegedy, 2015)."""

from reproductions.bn_inception.recipe import RECIPES
from reproductions.bn_inception.views import VIEWS

__all__ = ["RECIPES", "VIEWS"]
