"""Where the recipes leave the paper, or fill in what it leaves open.

"The release" is KaimingHe/deep-residual-networks: networks and weights of 50,
101 and 152 layers, without the training's code.
"""

from common.recipes.recipe import Deviation

_EVERY = (
    Deviation(
        field="schedule",
        paper="0.1, divided by 10 when the error plateaus (Sec. 3.4); the "
        "authors' next paper: after 30 and 60 epochs",
        here="divided by 10 after 6 epochs in which the centre-crop top-1 "
        "error has not fallen by 0.1 points, twice",
        reason="a rule instead of a person; patience and threshold are ours",
        departs=True,
    ),
    Deviation(
        field="weight_decay.variables",
        paper="weight decay 0.0001 (Sec. 3.4), of what is not said",
        here="kernels of the convolutions and of fc; gamma, beta and biases do not decay",
        reason="fb.resnet.torch's notes say that the original decayed the "
        "weights of the convolutions only; fc's decay here as in tensorpack's "
        "reproduction",
    ),
    Deviation(
        field="build_model: initial weights of convolutions",
        paper="as in He et al. 2015, Delving Deep (Sec. 3.4)",
        here="N(0, 2 / fan-in), not truncated",
        reason="of its two equally good rules, Eq. 10 is the one that it "
        "recommends first and Caffe's default; fb.resnet.torch and "
        "torchvision take the fan-out",
    ),
    Deviation(
        field="build_model: initial weights of fc",
        paper="not said: the rule of Delving Deep is for layers before a ReLU",
        here="N(0, 0.01), bias 0",
        reason="unspecified; as tensorpack's reproduction",
    ),
    Deviation(
        field="build_model: batch normalisation",
        paper="after each convolution and before activation (Sec. 3.4); no "
        "constants; the release's statistics are averages over a large "
        "training batch, collected after the training",
        here="epsilon 1e-5; running averages that keep 0.9 per update",
        reason="epsilon is the release's; a running average needs no second "
        "pass (the authors measured under 0.1 points between the two)",
    ),
    Deviation(
        field="synchronized_batch_norm",
        paper="8 GPUs with 32 images each (release), each normalised by its own statistics",
        here="each device by its own: 32 images with --gpus 8, more with fewer",
        reason="the batch is the paper's on any number of devices, the "
        "statistics are the paper's on 8",
        departs=True,
    ),
    Deviation(
        field="train_noise",
        paper="the standard color augmentation of AlexNet (Sec. 3.4)",
        here="principal components times the standard deviation along them times N(0, 0.1)",
        reason="AlexNet's code; its text says eigenvalues, and "
        "fb.resnet.torch takes those of pixels 0..1, less than half as much",
        departs=True,
    ),
    Deviation(
        field="normalize",
        paper="per-pixel mean subtracted (Sec. 3.4); which mean a crop of a "
        "larger frame loses is not said",
        here="the centre 224x224 of the 256x256 mean image, whatever the crop",
        reason="a frame of 256 to 480 pixels has no mean image of its own; "
        "tensorpack reads the release's mean in this way",
    ),
    Deviation(
        field="views",
        paper="Tables 4 and 5: fully convolutional, shorter sides 224, 256, "
        "384, 480 and 640, scores averaged; of mirror images nothing is said",
        here="centre crop, and the ten crops of Tables 2 and 3",
        reason="a run ends with cheap views; `evaluate --views "
        "multi_scale_dense` measures the other, without mirror images",
        departs=True,
    ),
    Deviation(
        field="train_transforms: resampling",
        paper="resized; the filter is not named (Sec. 3.4)",
        here="antialiased triangle filter",
        reason="unspecified",
    ),
    Deviation(
        field="global_batch_size: last batch of an epoch",
        paper="not said",
        here="the images that do not fill a batch of the epoch are left out; others in each epoch",
        reason="every update then averages over the same number of images",
    ),
)
_POOLING = Deviation(
    field="build_model: padding of the max pooling",
    paper="not said; the release pads nothing and lets the last window "
    "overhang, so windows begin at pixel 0",
    here="one pixel on each side, so windows begin at pixel -1",
    reason="as fb.resnet.torch, torchvision and keras.applications; the "
    "*_caffe variants are the release's",
)
_BIASES = Deviation(
    field="build_model: biases of convolutions",
    paper="not said",
    here="none",
    reason="batch normalisation subtracts them again; as in the release",
)

BASIC = (*_EVERY, _POOLING, _BIASES)

OPTION_A = (
    *BASIC,
    Deviation(
        field="build_model: shortcuts of option A",
        paper="stride 2 and extra zero entries (Sec. 3.3); which pixels stay, "
        "and on which side of the maps the zeros come, is not said",
        here="every second pixel from the first on; zeros after the maps",
        reason="as fb.resnet.torch; the side is a matter of the maps' order",
    ),
)

OPTION_B_AT_18 = (
    *BASIC,
    Deviation(
        field="build_model: shortcuts of 18 layers",
        paper="option A (Table 2); B and C are of 34 layers only (Table 3)",
        here="option B",
        reason="the network of fb.resnet.torch and torchvision; resnet18_a is Table 2's",
        departs=True,
    ),
)

BOTTLENECK = (
    *BASIC,
    Deviation(
        field="build_model: stride of a bottleneck",
        paper="conv3_1, conv4_1 and conv5_1 have stride 2 (Table 1), in which "
        "of their convolutions is not said",
        here="in the first 1x1, and in the projection",
        reason="as in the release",
    ),
)

CAFFE = _EVERY

CAFFE_50 = (
    *CAFFE,
    Deviation(
        field="build_model: bias of conv1",
        paper="the 50-layer network of the release has one; those of 101 and 152 layers do not",
        here="none",
        reason="batch normalisation subtracts it again; weights.py puts it into the running mean",
        departs=True,
    ),
)

STRIDE_ON_3X3 = (
    *BASIC,
    Deviation(
        field="build_model: stride of a bottleneck",
        paper="in the first 1x1 (release)",
        here="in the 3x3: 231,211,008 more multiply-accumulates",
        reason="a later habit (fb.resnet.torch, torchvision), often called "
        "v1.5; the recipe is still the paper's",
        departs=True,
    ),
)
