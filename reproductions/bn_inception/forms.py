"""What tells BN-Inception's forms apart; see model.py; imports no TensorFlow."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """What tells the networks apart; the defaults are Figure 5's.

    Attributes:
        batch_norm: Between each convolution and its nonlinearity (Sec. 3.2).
        activation: "relu" or "sigmoid" (Sec. 4.2.2).
        as_googlenet: With LRN, and 40 % of the last maps dropped (Sec. 4.2.1
            removes both).
        narrow: Pool projections of 4c and 4d have 96 maps instead of 128: what
            Figure 5's output sizes need.
        caffe: As yjxiong's release, which Cadene's bninception is a port of:
            a plain 7x7 conv1, biases in convolutions (which batch
            normalisation cancels), epsilon 1e-5, and average pooling that
            counts the zeros around a map.
    """

    batch_norm: bool = True
    activation: Literal["relu", "sigmoid"] = "relu"
    as_googlenet: bool = False
    narrow: bool = False
    caffe: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class MnistForm:
    """What tells Sec. 4.1's networks apart.

    Attributes:
        batch_norm: Between each layer's sum and its sigmoid (Sec. 3.2).
    """

    batch_norm: bool


INCEPTION = Form(batch_norm=False, as_googlenet=True)
FORMS = {
    "bn_inception": Form(),
    "bn_x5": Form(),
    "bn_x5_sigmoid": Form(activation="sigmoid"),
    "bn_baseline": Form(as_googlenet=True),
    "inception_no_bn": INCEPTION,
    "inception_no_bn_sigmoid": dataclasses.replace(INCEPTION, activation="sigmoid"),
    "bn_inception_narrow": Form(narrow=True),
    "bn_inception_caffe": Form(caffe=True),
    "bn_mnist": MnistForm(batch_norm=True),
    "bn_mnist_baseline": MnistForm(batch_norm=False),
}
