"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998), as published."""

from common.on_demand import on_demand
from reproductions.lenet5.recipe import RECIPES

__all__ = ["RECIPES", "build_model"]
__getattr__ = on_demand(__name__, build_model="model")
