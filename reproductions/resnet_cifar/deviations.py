"""Where the recipes leave Section 4.2, or say what it leaves open."""

import dataclasses

from common.recipes.recipe import Deviation

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
        reason="the number of devices is not part of a recipe; --gpus 2 gives the paper's 64",
        departs=True,
    ),
    Deviation(
        field="model: biases of convolutions",
        paper="not said",
        here="none",
        reason="batch normalisation subtracts them again; as fb.resnet.torch and akamaster",
    ),
    Deviation(
        field="model: initial weights",
        paper="as [13]: std sqrt(2 / fan); [13] has both fans, and nothing is "
        "said of the classifier",
        here="fan-in, for the classifier too; untruncated normal",
        reason="[13]'s first derivation (its Eq. 10)",
    ),
    Deviation(
        field="model: batch normalisation",
        paper="constants not given",
        here="epsilon 1e-5, moving averages with 0.9",
        reason="the values of fb.resnet.torch and of Caffe's epsilon",
    ),
)

PLAIN = (
    Deviation(
        field="held_out",
        paper="trained on the training set of 50,000; the schedule was chosen "
        "on 45,000 of them and 5,000 others. Which of the two Table 6 is of is "
        "not said",
        here="none: all 50,000 are trained on",
        reason="as most reruns; `--set held_out=5000` is the other",
    ),
    Deviation(
        field="train_transforms: the padding's value",
        paper="4 pixels padded, with what is not said",
        here="zeros after the mean is subtracted: the mean colour",
        reason="zeros, as the work that it takes its augmentation from ([24]); "
        "so in fb.resnet.torch too",
    ),
    Deviation(
        field="weight_decay.variables",
        paper="a weight decay of 0.0001 (Sec. 4.2)",
        here="kernels decay; gamma, beta and the classifier's bias do not",
        reason="the paper does not say; FAIR reports that the original decayed "
        "convolution weights only, so not the classifier's 640",
    ),
    *_OPEN,
)

_OPTION_A = Deviation(
    field="model: shortcuts",
    paper="stride 2 and extra zero entries (Sec. 3.3, option A); which pixels "
    "stay, and on which side of the channels the zeros come, is not said",
    here="every second pixel from the first on; zeros after the channels",
    reason="as fb.resnet.torch; the side is a matter of the channels' order",
)

RESIDUAL = (_OPTION_A, *PLAIN)

_WARM_UP = Deviation(
    field="schedule: warm-up",
    paper="0.01 until the training error is below 80 %, about 400 iterations; "
    "for n = 18 (110 layers); 1202 layers 'as described above'",
    here="looked at after each epoch (390 updates) on that epoch's mean "
    "training error; for 110 and 1202 layers",
    reason="a rate that is a function of the finished epochs needs no state, and resumes exactly",
    departs=True,
)

DEEP_PLAIN = (_WARM_UP, *PLAIN)
DEEP_RESIDUAL = (_WARM_UP, *RESIDUAL)

AKAMASTER = (
    Deviation(
        field="the recipe as a whole",
        paper="64,000 updates, drops at 32k and 48k; the mean image subtracted",
        here="200 epochs, drops after 100 and 150; ImageNet's means and "
        "standard deviations of channels, after the padding, which is black; "
        "all variables decay",
        reason="as akamaster's trainer.py",
        departs=True,
    ),
    Deviation(
        field="optimizer: rate and velocity",
        paper="akamaster sums gradients in torch's velocity and multiplies "
        "with the rate of the moment",
        here="the velocity has the rate inside",
        reason="as Keras and Caffe; apart from drops it is the same",
        departs=True,
    ),
    dataclasses.replace(
        _OPTION_A,
        here="every second pixel from the first on; half of the zero channels "
        "come before, half after the others",
        reason="as in the published weights; the same up to the order of channels",
    ),
    *_OPEN,
)
