"""Where the recipes leave the paper, or fill in what it leaves open.

"The release" is facebookresearch/ResNeXt; "fb" is fb.resnet.torch, the code
that it is built on and that the paper refers to (its reference [8]).
"""

from common.recipes.recipe import Deviation

_EVERY = (
    Deviation(
        field="optimizer.nesterov",
        paper="SGD with momentum 0.9 (Sec. 4)",
        here="Nesterov momentum",
        reason="as in the release",
        departs=True,
    ),
    Deviation(
        field="optimizer: rate and velocity",
        paper="not said; torch sums gradients in its velocity and multiplies "
        "with the rate of the moment",
        here="the velocity has the rate inside: after a drop by 10, some seven "
        "updates' worth of the old rate is still to come",
        reason="as Keras and Caffe; apart from drops it is the same",
    ),
    Deviation(
        field="weight_decay.variables",
        paper="weight decay, of what is not said (Sec. 4, App. A)",
        here="all variables: gamma, beta and the bias of fc too",
        reason="as in the release",
    ),
    Deviation(
        field="build_model: initial weights of convolutions",
        paper="as in He et al. 2015, Delving Deep (Sec. 4), which has two rules",
        here="N(0, 2 / fan-out), not truncated; the fan of a grouped "
        "convolution counts the maps of all groups",
        reason="as in the release",
    ),
    Deviation(
        field="build_model: initial weights of fc",
        paper="not said",
        here="uniform within 1 / sqrt(fan-in), bias 0",
        reason="as in the release: torch's default, bias set to 0",
    ),
    Deviation(
        field="build_model: batch normalisation",
        paper="after each convolution (Sec. 4); no constants",
        here="epsilon 1e-5; running averages that keep 0.9 per update",
        reason="torch's defaults, which the release leaves alone",
    ),
    Deviation(
        field="global_batch_size: last batch of an epoch",
        paper="not said; fb makes a smaller batch of the rest",
        here="the images that do not fill a batch of the epoch are left out; others in each epoch",
        reason="every update then averages over the same number of images",
    ),
)

IMAGENET = (
    Deviation(
        field="epochs",
        paper="not said",
        here="100",
        reason="the release's default; at the 1.7 s a batch that the paper "
        "reports for 64x4d it takes the 10 days that it reports",
    ),
    Deviation(
        field="schedule",
        paper="0.1, divided by 10 three times, by the schedule of fb (Sec. 4)",
        here="after 30, 60 and 90 epochs",
        reason="fb divides every 30 epochs; the third comes with epochs 91 to 100",
    ),
    Deviation(
        field="synchronized_batch_norm",
        paper="8 GPUs with 32 images each (Sec. 4), each normalised by its own statistics",
        here="each part of a device by its own: 32 images where gpus times "
        "microbatches is 8, more where it is less",
        reason="the batch is the paper's on any number of devices, the "
        "statistics are the paper's in 8 parts",
        departs=True,
    ),
    Deviation(
        field="train_transforms: FirstFittingAreaCrop",
        paper="scale and aspect ratio augmentation of Szegedy et al. 2014 as "
        "implemented by fb (Sec. 4): what does not fit is drawn again, and "
        "large areas are rarer than Szegedy et al. say",
        here="fb's sampling; after ten windows that do not fit, the middle "
        "square is cut out and then resized, in fb the other way round",
        reason="the same square; resampling sees nothing around it",
        departs=True,
    ),
    Deviation(
        field="train_transforms: PhotometricDistortions",
        paper="not said; fb changes brightness, contrast and saturation by "
        "0.6 to 1.4 in a random order",
        here="the same, but values are cut off at 0 and 255",
        reason="as fb, with the operation that this suite has",
    ),
    Deviation(
        field="train_transforms: Lighting",
        paper="not said",
        here="N(0, 0.1) times 0.2175, 0.0188 and 0.0045 (of pixels 0 .. 1) "
        "along three fixed vectors",
        reason="as in fb; weaker than AlexNet's noise, whose standard deviations they are not",
    ),
    Deviation(
        field="normalize",
        paper="not said",
        here="mean 0.485, 0.456, 0.406 and standard deviation 0.229, 0.224, 0.225 of pixels 0 .. 1",
        reason="as in fb",
    ),
    Deviation(
        field="test_transforms: resampling",
        paper="shorter side 256 (Sec. 4); fb: bicubic, not antialiased",
        here="antialiased triangle filter",
        reason="the one filter of this suite's test frames",
        departs=True,
    ),
    Deviation(
        field="views",
        paper="besides, a 320x320 centre crop (Table 5) and, for the "
        "challenge, dense testing at several sizes (Sec. 5.1), which it does "
        "not name",
        here="the centre crop of 224x224 only; the dense view has ResNet's "
        "sizes, 224, 256, 384, 480 and 640",
        reason="a run ends with the cheap view; `evaluate --views "
        "centre_crop_320` and `multi_scale_dense` measure the others",
    ),
    *_EVERY,
)

CIFAR = (
    Deviation(
        field="schedule",
        paper="the rate is reduced at the 150th and 225th epoch of 300 (App. A)",
        here="divided by 10 after 150 and 225 epochs",
        reason="as printed; the release's code divides from its epochs 148 and 223 on",
    ),
    Deviation(
        field="synchronized_batch_norm",
        paper="8 GPUs with 16 images each (App. A), each normalised by its "
        "own statistics; the authors name this as what others' worse results "
        "come from (release, issue 9)",
        here="each part of a device by its own: 16 images where gpus times "
        "microbatches is 8, 128 where it is 1",
        reason="the batch is the paper's on any number of devices, the "
        "statistics are the paper's in 8 parts",
        departs=True,
    ),
    Deviation(
        field="train_noise: ZeroBorder",
        paper="a crop of a zero-padded 40x40 image (App. A), before or after "
        "the normalisation is not said",
        here="zeros after it: the border has the mean colour",
        reason="as in the release",
    ),
    Deviation(
        field="normalize",
        paper="not said",
        here="mean 125.3, 123.0, 113.9 and standard deviation 63.0, 62.1, 66.7",
        reason="as in fb",
    ),
    Deviation(
        field="build_model: order in a block",
        paper="batch normalisation and ReLU after the convolutions (Sec. 4); "
        "the paper's first version had them before, and batches of 256",
        here="after them, and batches of 128",
        reason="the second version and the release",
    ),
    *_EVERY,
)
