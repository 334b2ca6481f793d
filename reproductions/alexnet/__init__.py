"""AlexNet (Krizhevsky, Sutskever and Hinton, 2012)."""

from reproductions.alexnet.recipe import RECIPES

__all__ = ["RECIPES"]
