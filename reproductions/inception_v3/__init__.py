"""Inception-v3 (Szegedy et al., 2015)."""

from reproductions.inception_v3.recipe import RECIPES
from reproductions.inception_v3.views import VIEWS

__all__ = ["RECIPES", "VIEWS"]
