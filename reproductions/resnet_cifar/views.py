"""Another scale to test at, beside the paper's single view.

Not a protocol of the paper's CIFAR-10 experiments: ResNet's multi-scale test
of ImageNet (Sec. 3.4) at CIFAR's size, so that `ensemble`'s rules of several
scales have something real to fuse. 36 = 32 x 9/8, as 288 is of 256.
"""

from common.evaluation.protocols import Dense
from reproductions.resnet_cifar.recipe import RECIPES

VIEWS = dict.fromkeys(RECIPES, {"dense_36": Dense(sides=(36,), mirrored=False)})
