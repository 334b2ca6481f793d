"""What tells the forms of AlexNet apart; see model.py; imports no TensorFlow."""

import dataclasses
from typing import Literal

Layer = Literal["relu", "norm", "spatial", "pool"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """The defaults are the paper's.

    Attributes:
        filters: Kernels of conv1 to conv5, of all towers together.
        towers: Groups of conv2, conv4 and conv5.
        after_conv1: Layers between conv1 and conv2, in order.
        after_conv2: Layers between conv2 and conv3.
        lrn: Whether there are the layers "norm", response normalisation.
        lrn_k: k of the paper's formula.
        lrn_alpha: Its alpha, multiplying the plain sum of squares.
        lrn_groups: Blocks of maps that the sum stays in.
        overlapping: Pooling windows of 3x3, two apart; else of 2x2.
        conv345_std: Of the initial weights of conv3, conv4 and conv5.
        fc67_std: Of the initial weights of fc6 and fc7.
        bias: Initial bias of conv2, conv4, conv5, fc6 and fc7.
        dropout: The share of fc6's and fc7's outputs that training drops.
        halved: What is dropped is made up for at test time (Sec. 4.2: half the outputs), and
            not in training.
    """

    filters: tuple[int, ...] = (96, 256, 384, 384, 256)  # Sec. 3.5
    towers: int = 2  # Sec. 3.2
    after_conv1: tuple[Layer, ...] = ("relu", "norm", "pool")  # Sec. 3.3, 3.5
    after_conv2: tuple[Layer, ...] = ("relu", "norm", "pool")  # Sec. 3.3, 3.5
    lrn: bool = True  # Sec. 3.3
    lrn_k: float = 2.0  # Sec. 3.3
    lrn_alpha: float = 1e-4  # Sec. 3.3
    lrn_groups: int = 1  # Sec. 3.3: over all N maps of the layer
    overlapping: bool = True  # Sec. 3.4
    conv345_std: float = 0.01  # Sec. 5
    fc67_std: float = 0.01  # Sec. 5
    bias: float = 1.0  # Sec. 5
    dropout: float = 0.5  # Sec. 4.2
    halved: bool = True  # Sec. 4.2


PAPER = Form()
CAFFE = dataclasses.replace(
    PAPER,
    lrn_k=1.0,  # caffe.proto's default
    lrn_alpha=2e-5,  # 1e-4 / n: Caffe takes the mean over the window
    fc67_std=0.005,
    bias=0.1,  # 1 gave a flat loss
    halved=False,
)
FORMS = {
    "alexnet": PAPER,
    "alexnet_as_run": dataclasses.replace(
        PAPER,
        after_conv1=("norm", "pool", "relu"),  # net 145
        after_conv2=("relu", "norm", "spatial", "pool"),  # net 145
        lrn_alpha=2e-5,  # layer.py divides 1e-4 by n
        lrn_groups=2,
        conv345_std=0.03,  # net 145
    ),
    # Every map sees every map below: the slides' counts.
    "alexnet_1tower": dataclasses.replace(PAPER, towers=1),
    "alexnet_no_lrn": dataclasses.replace(PAPER, lrn=False),
    # 55 -> 27 -> 13 -> 6 as before; the last row and column of 55, 27 and 13
    # are in no window.
    "alexnet_non_overlapping": dataclasses.replace(PAPER, overlapping=False),
    # Sec. 4.2: "Without dropout, our network exhibits substantial overfitting."
    "alexnet_no_dropout": dataclasses.replace(PAPER, dropout=0.0),
    "bvlc_alexnet": CAFFE,
    "caffenet": dataclasses.replace(
        CAFFE, after_conv1=("relu", "pool", "norm"), after_conv2=("relu", "pool", "norm"), bias=1.0
    ),
    # Sec. 3.2, its footnote: half the kernels up to conv4, on one GPU.
    "alexnet_1gpu": dataclasses.replace(PAPER, filters=(48, 128, 192, 192, 256), towers=1),
}
