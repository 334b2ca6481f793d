"""Preprocessing, one frozen value per operation of a paper.

Geometric operations map (view, rng) to a view; they come first. Pixel
operations map (image, context) to an image. See common.data.transforms.operation.
"""

from common.data.transforms.colour import Lighting, PhotometricDistortions
from common.data.transforms.geometric import (
    CentreCrop,
    Pad,
    RandomCrop,
    RandomFlip,
    RandomShift,
    RandomShorterSide,
    ResizeShorterSide,
    Squash,
    TorchvisionCentreCrop,
    TorchvisionResize,
)
from common.data.transforms.operation import Context, UntilEpoch, active
from common.data.transforms.pixels import (
    Binarize,
    PcaColourNoise,
    RandomAffine,
    ScalePixels,
    Standardize,
    SubtractCentreMean,
    SubtractChannelMean,
    SubtractMeanImage,
    SubtractMeanPixel,
    ZeroBorder,
)
from common.data.transforms.random_resized_crop import (
    DistortedBoxCrop,
    FirstFittingAreaCrop,
    RandomAreaCrop,
)
