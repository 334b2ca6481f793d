"""Where the recipes leave the paper, or fill in what it leaves open.

"The release" is szagoruyko/wide-residual-networks; "fb" is fb.resnet.torch,
the code that the paper's networks for ImageNet were trained with.
"""

from common.recipes.recipe import Deviation

_EVERY = (
    Deviation(
        field="weight_decay.variables",
        paper="weight decay, of what is not said",
        here="all variables: gamma, beta and the bias of fc too",
        reason="as in the release and in fb",
    ),
    Deviation(
        field="build_model: initial weights",
        paper="not said",
        here="convolutions N(0, 2 / fan-in), not truncated; fc uniform within "
        "1 / sqrt(fan-in), bias 0",
        reason="as in the release: for CIFAR since a commit that put the "
        "fan-in for the fan-out, for ImageNet in its definition of the "
        "network; fc is torch's default",
    ),
    Deviation(
        field="build_model: batch normalisation",
        paper="no constants",
        here="epsilon 1e-5; running averages that keep 0.9 per update",
        reason="torch's defaults, which the release leaves alone",
    ),
)

CIFAR = (
    Deviation(
        field="schedule",
        paper="dropped by 0.2 at 60, 120 and 160 epochs (Sec. 3)",
        here="after 60, 120 and 160 epochs",
        reason="as printed; the release's code drops when its epochs 60, 120 "
        "and 160, counted from 1, begin: one epoch before",
    ),
    Deviation(
        field="optimizer: momentum at a drop",
        paper="not said; the release begins with a new state of the optimizer, "
        "so without velocity, at each drop of the rate",
        here="the velocity is kept",
        reason="the paper has one run of SGD with momentum; after 44 updates "
        "1 % of the old velocity is left",
    ),
    Deviation(
        field="normalize",
        paper="Tables 2 to 4: global contrast normalisation and ZCA whitening; "
        "Tables 5, 6 and 9: mean and standard deviation",
        here="mean and standard deviation of each channel",
        reason="the paper's later and better results, which it asks to be compared with (release)",
        departs=True,
    ),
    Deviation(
        field="build_model: n of WRN-n-k",
        paper="depth n with N = (n - 4) / 6 blocks in a group",
        here="n convolutions, the three projections among them, and fc "
        "besides; the longest path has n - 2 layers with weights",
        reason="as in the release; the paper's figures of parameters agree",
    ),
    Deviation(
        field="synchronized_batch_norm",
        paper="not said; the release trains on one GPU",
        here="each device normalises by its own statistics: all 128 images "
        "with one device, fewer with more",
        reason="the paper's with one device",
    ),
    Deviation(
        field="global_batch_size: last batch of an epoch",
        paper="not said",
        here="the 80 images that do not fill a batch of the epoch are left "
        "out, so 390 updates an epoch; others in each epoch",
        reason="as in the release",
    ),
    *_EVERY,
)

IMAGENET = (
    Deviation(
        field="recipe",
        paper="not said, but the code: fb.resnet.torch (release)",
        here="fb's defaults: SGD with Nesterov momentum 0.9, 0.1 divided by "
        "10 after 30 and 60 of 90 epochs, batch 256, weight decay 1e-4",
        reason="the paper gives no values of its own for ImageNet",
    ),
    Deviation(
        field="synchronized_batch_norm",
        paper="not said; fb normalises by the statistics of each GPU's images",
        here="each device by its own",
        reason="as fb, with as many devices",
    ),
    Deviation(
        field="optimizer: rate and velocity",
        paper="not said; fb sums gradients in its velocity and multiplies with "
        "the rate of the moment",
        here="the velocity has the rate inside: after a drop by 10, some seven "
        "updates' worth of the old rate is still to come",
        reason="as Keras and Caffe; apart from drops it is the same",
    ),
    Deviation(
        field="train_transforms: FirstFittingAreaCrop",
        paper="not said; fb resizes an image in which ten windows did not fit "
        "and cuts the middle out of it",
        here="fb's sampling, but the middle square is cut out and then resized",
        reason="the same square; resampling sees nothing around it",
    ),
    Deviation(
        field="train_transforms: PhotometricDistortions",
        paper="fb changes brightness, contrast and saturation by 0.6 to 1.4 in a random order",
        here="the same, but values are cut off at 0 and 255",
        reason="as fb, with the operation that this suite has",
        departs=True,
    ),
    Deviation(
        field="train_transforms: Lighting",
        paper="not said",
        here="N(0, 0.1) times 0.2175, 0.0188 and 0.0045 (of pixels 0 .. 1) "
        "along three fixed vectors",
        reason="as in fb; weaker than AlexNet's noise, whose standard deviations they are not",
    ),
    Deviation(
        field="test_transforms: resampling",
        paper="fb: shorter side 256, bicubic, not antialiased",
        here="antialiased triangle filter",
        reason="the one filter of this suite's test frames",
        departs=True,
    ),
    Deviation(
        field="global_batch_size: last batch of an epoch",
        paper="fb makes a smaller batch of the rest",
        here="the images that do not fill a batch of the epoch are left out; others in each epoch",
        reason="every update then averages over the same number of images",
        departs=True,
    ),
    *_EVERY,
)

WRN_68 = (
    Deviation(
        field="build_model",
        paper="not in the paper, nor released: summaries of the ILSVRC 2016 "
        "winner, Trimps-Soushen, name a WRN-68-3 (others, one review: "
        "WRN-68-2) among its networks and do not describe it",
        here="two 3x3 in a block as in WRN-18 and WRN-34, (3, 4, 23, 3) blocks "
        "as in ResNet-101, every width tripled in wrn_68_3 and doubled in "
        "wrn_68_2",
        reason="the paper calls networks with bottlenecks so "
        "(WRN-50-2-bottleneck); of the usual numbers of blocks only these give "
        "68 layers: 1 + 2 x 33 + 1",
    ),
    Deviation(
        field="recipe: that of the challenge",
        paper="multi-scale augmentation and large batches (summaries)",
        here="the recipe of WRN-50-2",
        reason="nothing more is known",
        departs=True,
    ),
    *IMAGENET,
)
