"""ResNet on CIFAR-10 (He, Zhang, Ren and Sun, 2015, Section 4.2)."""

from reproductions.resnet_cifar.recipe import RECIPES
from reproductions.resnet_cifar.views import VIEWS

__all__ = ["RECIPES", "VIEWS"]
