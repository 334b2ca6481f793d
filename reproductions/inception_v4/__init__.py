"""Inception-v4 and Inception-ResNet (Szegedy et al., 2016)."""

from reproductions.inception_v4.recipe import RECIPES
from reproductions.inception_v4.views import VIEWS

__all__ = ["RECIPES", "VIEWS"]
