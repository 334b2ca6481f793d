"""ImageNet's published channel means, where its training set is not at hand."""

import functools
import sys

import numpy as np

from common.data import imagenet
from common.data.statistics import Statistics
from common.data.transforms import active
from common.data.transforms.view import View
from common.recipes.recipe import Recipe


def published(recipe: Recipe) -> Statistics:
    """Every pixel of the mean image is the channel's mean; says so."""
    mean = np.array(imagenet.CHANNEL_MEAN)
    print(
        "ImageNet's mean image is not at hand: the published mean of each "
        f"channel, {', '.join(map(str, mean))}, is subtracted.",
        file=sys.stderr,
    )
    side = frame_side(recipe, 2048)
    return Statistics(
        mean_image=np.full((side, side, len(mean)), mean, np.float32),
        pixel_mean=mean,
        pixel_std=np.full(len(mean), np.nan),
        covariance=np.full((len(mean), len(mean)), np.nan),
    )


def frame_side(recipe: Recipe, side: int) -> int:
    """Of the frame that a square image of `side` pixels gives."""
    view = functools.reduce(
        lambda seen, op: op[1](seen, None),
        active(recipe.test_transforms, epoch=0),
        View.whole(side, side),
    )
    return view.window.height
