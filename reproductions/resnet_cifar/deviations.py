"""Where the recipes leave Section 4.2, or say what it leaves open."""

from common.recipe import Deviation

_OPEN = (
    Deviation(
        field="global_batch_size: last batch of an epoch",
        paper="not said",
        here="the 80 images that do not fill a batch of the epoch are left "
        "out; others in each epoch",
        reason="every update then averages over the same number of images",
    ),
    Deviation(
        field="synchronized_batch_norm",
        paper="a mini-batch of 128 on two GPUs, so statistics of 64 images",
        here="statistics of each device's share: of all 128 on one device",
        reason="the number of devices is not part of a recipe; --gpus 2 gives "
        "the paper's 64",
    ),
    Deviation(
        field="model: batch normalisation",
        paper="constants not given",
        here="epsilon 1e-5, moving averages with 0.9",
        reason="the values of fb.resnet.torch and of Caffe's epsilon",
    ),
)

_WEIGHTS = Deviation(
    field="model: initial weights",
    paper="as [13]: std sqrt(2 / fan); [13] has both fans, and nothing is said "
    "of the classifier",
    here="fan-in, for the classifier too; untruncated normal",
    reason="[13]'s first derivation (its Eq. 10)",
)

PAPER = (
    Deviation(
        field="weight_decay.variables",
        paper="a weight decay of 0.0001 (Sec. 4.2)",
        here="kernels decay; gamma, beta and the classifier's bias do not",
        reason="the paper does not say; FAIR reports that the original decayed "
        "convolution weights only",
    ),
    _WEIGHTS,
    *_OPEN,
)

WARMED_UP = (
    Deviation(
        field="schedule: warm-up",
        paper="0.01 until the training error is below 80 %, about 400 "
        "iterations; for n = 18 (110 layers); 1202 layers 'as described above'",
        here="looked at after each epoch (390 updates) on that epoch's mean "
        "training error; for 110 and 1202 layers",
        reason="a rate that is a function of the finished epochs needs no "
        "state, and resumes exactly",
    ),
    *PAPER,
)

AKAMASTER = (
    Deviation(
        field="model: shortcuts",
        paper="zero channels are appended (Sec. 3.3, option A)",
        here="half of the zero channels come before, half after the others",
        reason="as in the published weights; the same up to the order of "
        "channels",
    ),
    *_OPEN,
)
