"""Where the recipes leave the paper, or fill in what it leaves open.

"[1]" is the paper's first reference, "Deep Residual Learning for Image
Recognition", whose "implementation details and hyperparameters" it takes over;
"the release" is KaimingHe/resnet-1k-layers; "FAIR" is fb.resnet.torch, which
the release trains with.
"""

import dataclasses

from common.recipes.recipe import Deviation

_LAST = Deviation(
    field="global_batch_size: last batch of an epoch",
    paper="not said",
    here="the images that do not fill a batch of the epoch are left out; others in each epoch",
    reason="every update then averages over the same number of images",
)
_FAIR_LAST = dataclasses.replace(_LAST, paper="FAIR makes a smaller batch of the rest")
_COMMON = (
    Deviation(
        field="model: batch normalisation",
        paper="constants not given",
        here="epsilon 1e-5, moving averages that keep 0.9",
        reason="those of the release and of FAIR",
    ),
    Deviation(
        field="model: initial weights of convolutions",
        paper="as in [23], Delving Deep, which derives std sqrt(2 / fan-in) and sqrt(2 / fan-out)",
        here="N(0, 2 / fan-in)",
        reason="[23]'s first derivation (its Eq. 10); the release and FAIR take the fan-out",
    ),
    Deviation(
        field="model: initial weights of fc",
        paper="as in [23], whose rules are for layers before a ReLU; the "
        "release and FAIR leave torch's default, with bias 0",
        here="N(0, 0.01), bias 0",
        reason="as the resnet folder; with a variance of 2 / fan-in the "
        "networks that do not normalise at the end start far from guessing "
        "(one_layer: 5.6 times its loss, measured)",
    ),
)
_SPLIT = Deviation(
    field="synchronized_batch_norm",
    paper="statistics of each GPU's share: 64 images (CIFAR), 32 (ImageNet)",
    here="statistics of each device's share: of the whole batch on one device",
    reason="the number of devices is not part of a recipe; --gpus 2 and --gpus 8 give the paper's",
    departs=True,
)
_DECAY = Deviation(
    field="weight_decay.variables",
    paper="a weight decay of 0.0001 (appendix), of what is not said",
    here="kernels decay; gamma, beta and biases do not",
    reason="FAIR reports that the original decayed weights only",
)
_PAPERS = (_DECAY, _SPLIT, _LAST, *_COMMON)

CIFAR = (
    Deviation(
        field="updates",
        paper="divided by 10 at 32k and 48k (appendix), the end is not said",
        here="64,000",
        reason="[1], whose details it takes over",
    ),
    *_PAPERS,
)
_RAW = Deviation(
    field="model: parameter-free shortcut of a unit that halves",
    paper="projections are pre-activated (appendix); of the parameter-free "
    "shortcut nothing is said",
    here="subsamples the unit's input as it is",
    reason="Fig. 5 gives the activation to F alone, and the path stays free "
    "of ReLU (Eq. 4); FAIR's code activates it",
)
_FIRST_1X1 = Deviation(
    field="model: stride of a bottleneck",
    paper="not said",
    here="in the first 1x1, and in the projection",
    reason="as in the release, and in that of [1]",
)
CIFAR_PREACT = (_RAW, *CIFAR)
CIFAR_BOTTLENECK = (_FIRST_1X1, *CIFAR)

CIFAR_MODULATED = (
    Deviation(
        field="model: shortcuts of units that halve",
        paper="applied to all Residual Units (Table 1); how where the size changes is not said",
        here="scaling, gating and dropout work on the parameter-free shortcut",
        reason="the least change to [1]'s network, which has option A",
    ),
    *CIFAR,
)
CIFAR_GATED = (
    Deviation(
        field="model: gates",
        paper="g(x) is a 1x1 convolution (Sec. 3.1); Fig. 2 says that BN comes "
        "'right after the weight layers for all units'",
        here="no BN in the gate; one gate for each map; stride 2 where the "
        "unit halves; the initial W_g as all weights",
        reason="a BN would cancel the initial b_g that the table is about",
        departs=True,
    ),
    *CIFAR_MODULATED,
)
CIFAR_CONV = (
    Deviation(
        field="model: 1x1 convolutional shortcut",
        paper="replaces the identity (Sec. 3.1), 'known as option C' in [1]",
        here="with BN, without bias or ReLU; stride 2 where the unit halves",
        reason="[1]'s option C, and the caption of Fig. 2: BN after all weight layers",
    ),
    *CIFAR,
)
CIFAR_DROPOUT = (
    Deviation(
        field="model: dropout in the shortcut",
        paper="ratio 0.5, said to 'impose a scale of expectation 0.5'",
        here="what stays is doubled in training; the expectation is 1",
        reason="Caffe's layer, which the authors trained with, doubles; their "
        "sentence fits a dropout that does not",
        departs=True,
    ),
    *CIFAR_MODULATED,
)

_VELOCITY = Deviation(
    field="optimizer: rate and velocity",
    paper="FAIR sums gradients in its velocity and multiplies with the rate of the moment",
    here="the velocity has the rate inside: after a drop by 10, some seven "
    "updates' worth of the old rate is still to come",
    reason="as Keras and Caffe; apart from drops it is the same",
    departs=True,
)
RELEASED = (
    Deviation(
        field="the recipe as a whole",
        paper="64,000 updates of 128 images with the appendix's schedule",
        here="200 epochs of batches of 64, which are 156,200 updates; 0.1 "
        "divided by 10 after 80 and 121 epochs, no warm-up; Nesterov; pixels "
        "less the mean and over the standard deviation; all variables decay",
        reason="the release's command line under FAIR's defaults: the dagger "
        "of Table 4 stands for more than the batch",
        departs=True,
    ),
    _FIRST_1X1,
    _VELOCITY,
    dataclasses.replace(
        _SPLIT,
        paper="statistics of each GPU's share: 32 images, as the release's "
        "command splits 64 among 2 GPUs",
        reason="the number of devices is not part of a recipe; --gpus 2 gives the release's",
    ),
    _FAIR_LAST,
    *_COMMON,
)

_VIEWS = Deviation(
    field="views",
    paper="one crop of 320x320 from a shorter side of 320 (Sec. 5)",
    here="one crop of 224x224 from a shorter side of 256",
    reason="a run ends with the cheap view; `evaluate --views "
    "centre_crop_320` measures the paper's, which calls this one "
    "negatively biased",
    departs=True,
)
_RESAMPLING = Deviation(
    field="train_transforms: resampling",
    paper="resized; the filter is not named",
    here="antialiased triangle filter",
    reason="unspecified",
)
IMAGENET = (
    Deviation(
        field="epochs",
        paper="0.1, divided by 10 at 30 and 60 epochs (appendix); the end is not said",
        here="90",
        reason="three stages of the same length, as in FAIR",
    ),
    _FIRST_1X1,
    Deviation(
        field="model: padding of the max pooling",
        paper="not said; [1]'s release pads nothing",
        here="one pixel on each side",
        reason="as FAIR",
    ),
    Deviation(
        field="train_noise",
        paper="'the same data augmentation as in [1]', which has the standard "
        "colour augmentation of AlexNet",
        here="principal components times the standard deviation along them times N(0, 0.1)",
        reason="AlexNet's code; its text says eigenvalues",
        departs=True,
    ),
    Deviation(
        field="normalize",
        paper="per-pixel mean subtracted ([1])",
        here="the centre 224x224 of the 256x256 mean image, whatever the crop; "
        "each channel's mean in `centre_crop_320`",
        reason="a frame of 256 to 480 pixels has no mean image of its own",
    ),
    _RESAMPLING,
    _VIEWS,
    *_PAPERS,
)
_SMALLER = Deviation(
    field="model: depth",
    paper="on ImageNet 152 and 200 layers with this unit (Table 5)",
    here="18, 34, 50 and 101 layers, with [1]'s numbers of units",
    reason="unit and recipe are the paper's, which prints no error of these",
)
_BASIC = Deviation(
    field="model: units of 18 and 34 layers",
    paper="two 3x3 on CIFAR only, where no shortcut has parameters",
    here="two 3x3; where the maps change, a 1x1 projection of the pre-activated input",
    reason="[1]'s option B, which it has on ImageNet, and the appendix: "
    "projections are pre-activated",
)
SMALLER = (_SMALLER, *IMAGENET)
SHALLOW = (_SMALLER, _BASIC, *(d for d in IMAGENET if d is not _FIRST_1X1))

FAIR = (
    Deviation(
        field="the recipe as a whole",
        paper="scale and aspect ratio augmentation (Table 5); code and model are FAIR's",
        here="FAIR's: 90 epochs, Nesterov, crops of 8 to 100 % of the area, "
        "colour jitter, pixels less the mean and over the standard deviation, "
        "all variables decay",
        reason="the dagger of Table 5 is a run of that code",
    ),
    Deviation(
        field="model: stride of a bottleneck",
        paper="not said",
        here="in the 3x3: 231,211,008 more multiply-accumulates",
        reason="FAIR's network",
    ),
    Deviation(
        field="train_transforms: colour",
        paper="FAIR: brightness, contrast and saturation by 0.6 to 1.4, then "
        "noise along principal components",
        here="the same, but the jitter cut off at 0 and 255 as PIL does",
        reason="the operation that other papers here use",
        departs=True,
    ),
    Deviation(
        field="train_transforms: crop",
        paper="FAIR: sides sqrt(area times aspect) and sqrt(area / aspect), "
        "drawn up to ten times until they fit, else the middle of the resized "
        "image; its first version has sqrt(area) times and over aspect",
        here="the later code's sides; the middle is cut out, then resized",
        reason="which of the two trained this network is not known",
        departs=True,
    ),
    Deviation(
        field="test_transforms: resampling",
        paper="FAIR: bicubic, not antialiased",
        here="antialiased triangle filter",
        reason="the one filter of this suite's test frames",
        departs=True,
    ),
    _VIEWS,
    _VELOCITY,
    _SPLIT,
    _FAIR_LAST,
    *_COMMON,
)
