"""Where the recipes leave the paper.

"release" is research/slim of tensorflow/models, by the same authors; "v3" is
arXiv:1512.00567.
"""

from common.recipes.recipe import Deviation

STEM = (
    Deviation(
        field="network: last step of the stem",
        paper="a 3x3 convolution of 192 maps, V, without a stride (Fig. 3)",
        here="with stride 2",
        reason="71x71 places go in and 35x35 come out (Fig. 3); as the release",
        departs=True,
    ),
)

V4 = (
    Deviation(
        field="network: Inception-B, middle branch",
        paper="1x7 to 224 maps and 1x7 to 256 (Fig. 5)",
        here="1x7 to 224 and 7x1 to 256",
        reason="as the release; a 7x7 is factorised into one of each, and the "
        "other branch has both in turn",
        departs=True,
    ),
)

FIGURES = (
    Deviation(
        field="network: auxiliary head",
        paper="not mentioned; the figures have none (Figs. 9 and 15)",
        here="none",
        reason="as the figures; the release trains with one: see the variants "
        "whose names end in _released",
    ),
)

RESNET_V2 = (
    Deviation(
        field="network: maps of the 17x17 modules",
        paper="a linear 1x1 convolution to 1154 maps (Fig. 17)",
        here="1152",
        reason="384 + 384 + 384 maps come from Reduction-A, and a sum needs the same number",
        departs=True,
    ),
    Deviation(
        field="network: maps of the 8x8 modules",
        paper="a linear 1x1 convolution to 2048 maps (Fig. 19)",
        here="2144",
        reason="1152 + 384 + 288 + 320 maps come from Reduction-B, and a sum needs the same number",
        departs=True,
    ),
    Deviation(
        field="network: number of modules",
        paper='5, 10 and 5 (Fig. 15), and a cost that "matches the raw cost of '
        'Inception-v4" (Sec. 3.2)',
        here="5, 10 and 5, at 76 % of Inception-v4's cost",
        reason="as the figure; the release has 10, 20 and 10, at 107 %: see "
        "inception_resnet_v2_released",
    ),
)

SCALES = (
    Deviation(
        field="network: residual scale",
        paper="between 0.1 and 0.3 (Sec. 3.3); which, and where, is not said",
        here="0.17, 0.10 and 0.20 on the grids of 35, 17 and 8",
        reason="as the release, but that its last module has 1; above 1000 "
        "maps the paper needs it, and below it does no harm",
    ),
)

RESIDUAL = (
    Deviation(
        field="initial weights",
        paper="not said",
        here="uniform, variance 2 / (fan_in + fan_out), in every kernel; biases 0",
        reason="as the release of Inception-ResNet-v2, which has slim's default",
    ),
    Deviation(
        field="weight_decay",
        paper="not said",
        here="4e-5 on kernels and on biases, none on scales and offsets",
        reason="as the release of Inception-ResNet-v2",
    ),
)

RELEASED_V4 = (
    Deviation(
        field="network: order of long kernels",
        paper="7x1 before 1x7 in the stem, 1x7 first in Inception-B's longest "
        "branch, 1x3 first in Inception-C's (Figs. 3, 5 and 6)",
        here="each the other way round",
        reason="as the release: its weights fit no other; the numbers of "
        "parameters and operations are the same",
        departs=True,
    ),
)

RELEASED_RESNET_V2 = (
    Deviation(
        field="network: residual scale",
        paper="between 0.1 and 0.3 (Sec. 3.3); which, and where, is not said",
        here="0.17, 0.10 and 0.20 on the grids of 35, 17 and 8; 1 in the last "
        "module, which has no ReLU",
        reason="as the release",
    ),
    Deviation(
        field="network: stem",
        paper="of Figure 3, to 384 maps",
        here="Inception-v3's to 192 maps, then a module of 1x1, 5x5, twice "
        "3x3 and average pooling to 320",
        reason="as the release",
        departs=True,
    ),
    Deviation(
        field="network: number of modules",
        paper="5, 10 and 5 (Fig. 15)",
        here="10 on 320 maps, 20 on 1088 and 10 on 2080, then a 1x1 convolution to 1536",
        reason="as the release",
        departs=True,
    ),
)

V4_WEIGHTS = (
    Deviation(
        field="initial weights",
        paper="not said",
        here="truncated normal, variance 2 / fan_in; of the logits uniform, "
        "variance 2 / (fan_in + fan_out), biases 0",
        reason="as the release of Inception-v4",
    ),
    Deviation(
        field="weight_decay",
        paper="not said",
        here="4e-5 on kernels, none on biases, scales and offsets",
        reason="as the release of Inception-v4",
    ),
)

AUXILIARY = (
    Deviation(
        field="network: auxiliary head",
        paper="not mentioned",
        here="on the last 17x17 module: 5x5 average pooling with stride 3, 128 "
        "of 1x1, 768 of 5x5, logits; its smoothed loss counts 0.4",
        reason="as the release",
    ),
)

_NETWORK = (
    Deviation(
        field="network: batch normalisation",
        paper="on ordinary layers, not on the sums (Sec. 3.2); constants not given",
        here="scale and offset, epsilon 1e-3, moving averages that keep the "
        "smaller of 0.9997 and (1 + t) / (10 + t) after t updates; a bias and "
        "no normalisation in the linear 1x1 convolutions",
        reason="the release's constants; without the ramp, networks of short "
        "runs are tested under the initial moments; the release leaves out the "
        "scale, as a ReLU follows, the method as published has it",
    ),
    Deviation(
        field="network: order of a module's maps",
        paper="the figures show the branches side by side",
        here="the release's order",
        reason="it does not change what a network can compute, and published weights have it",
    ),
)

_OPTIMIZATION = (
    Deviation(
        field="optimizer.momentum",
        paper="not given for RMSProp; earlier experiments had momentum with a "
        "decay of 0.9 (Sec. 4)",
        here="0.9",
        reason="as the release",
    ),
    Deviation(
        field="global_batch_size",
        paper="20 replicas (Sec. 4); the images of each, and whether they "
        "wait for each other, are not said",
        here="20 x 32 in one batch, the mean over it",
        reason="32 as v3 and as the release's default; 0.045 for 640 images "
        "is more for each than v3's for 1600",
    ),
    Deviation(
        field="epochs",
        paper="not said",
        here="100",
        reason="as v3",
    ),
    Deviation(
        field="synchronized_batch_norm",
        paper="not said",
        here="statistics of each device's share of the batch, or of each of its microbatches",
        reason="how many devices there are is not the recipe's",
    ),
    Deviation(
        field="clip_global_norm",
        paper="not said",
        here="2.0, of the norm of all gradients together, before the weight decay is added",
        reason="as v3; the release does not clip",
    ),
    Deviation(
        field="loss",
        paper="not said",
        here="labels smoothed by 0.1",
        reason="as v3; the release's training script smooths by 0 unless told",
    ),
    Deviation(
        field="average_decay",
        paper='"a running average of the parameters" (Sec. 4); constant not given',
        here="0.9999 for each update; the moments of batch normalisation are "
        "not averaged once more",
        reason="the constant of TensorFlow's release of v3; that averages the "
        "moments too, which its distributed script calls important with tens "
        "of replicas; there each replica moves the moments, here they move "
        "once in an update",
    ),
)

_DATA = (
    Deviation(
        field="train_transforms",
        paper="not said",
        here="5 to 100 % of the area, aspect 0.75 to 1.33, bilinear; mirrored "
        "or not; brightness and saturation",
        reason="as the release; its training script passes no boxes, so a "
        "window holds at least a tenth of the image",
    ),
    Deviation(
        field="normalize",
        paper="not said",
        here="pixels to -1 .. 1",
        reason="as the release",
    ),
    Deviation(
        field="test_transforms",
        paper="not said",
        here="299 pixels of a shorter side of 342, the centre",
        reason="the release keeps the central 87.5 % of each side and squashes "
        "them to a square; here the image keeps its shape",
    ),
    Deviation(
        field="views",
        paper="one crop, without the blacklisted images (Table 2); 12 and 144 "
        "crops of all 50,000 (Tables 3 to 5)",
        here="one crop of all 50,000",
        reason="a run ends with the cheap view; `evaluate --views 12_crop` and "
        "`144_crop` measure the others; the paper puts the left out images "
        "at 0.3 % of top-1 and 0.15 % of top-5 error",
        departs=True,
    ),
    Deviation(
        field="global_batch_size: last batch of an epoch",
        paper="not said",
        here="the images that do not fill a batch of the epoch are left out; others in each epoch",
        reason="every update then averages over the same number of images",
    ),
)

PAPER = (*_NETWORK, *_OPTIMIZATION, *_DATA)
