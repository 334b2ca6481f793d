"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998), as published."""

from reproductions.lenet5.recipe import RECIPES

__all__ = ["RECIPES"]
