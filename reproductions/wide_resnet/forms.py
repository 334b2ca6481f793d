"""What tells wide residual networks apart; see model.py; imports no TensorFlow."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class CifarForm:
    """WRN-n-k of Table 1.

    Attributes:
        depth: n, 6 N + 4 with N blocks in each of three groups: the
            convolutions, projections included (with k = 1 there are two, not three).
        width: k, times 16, 32 and 64 maps.
        dropout: Between the convolutions of a block; 0 for none. Sec. 3: 0.3
            for CIFAR, by cross-validation.
    """

    depth: int
    width: int
    dropout: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageNetForm:
    """A ResNet with wider blocks, Sec. 3.

    Attributes:
        blocks: In conv2 to conv5.
        bottleneck: 1x1, 3x3 and 1x1, of which the inner two are wider; else
            two 3x3, both wider.
        width: The factor.
    """

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    width: float


FORMS = {
    "cifar_wrn_28_10": CifarForm(depth=28, width=10, dropout=0.3),
    "cifar_wrn_28_10_no_dropout": CifarForm(depth=28, width=10, dropout=0.0),
    "cifar_wrn_16_8": CifarForm(depth=16, width=8, dropout=0.0),
    # Tables 5, 6 and 9.
    "cifar_wrn_40_4": CifarForm(depth=40, width=4, dropout=0.0),
    "cifar_wrn_16_4": CifarForm(depth=16, width=4, dropout=0.0),
    "cifar_wrn_16_4_dropout": CifarForm(depth=16, width=4, dropout=0.3),
    "cifar_wrn_52_1": CifarForm(depth=52, width=1, dropout=0.0),
    "cifar_wrn_52_1_dropout": CifarForm(depth=52, width=1, dropout=0.3),
    "cifar_wrn_40_10_dropout": CifarForm(depth=40, width=10, dropout=0.3),
    # Table 4, whose errors are of another preprocessing (ZCA).
    "cifar_wrn_40_1": CifarForm(depth=40, width=1, dropout=0.0),
    "cifar_wrn_40_2": CifarForm(depth=40, width=2, dropout=0.0),
    "cifar_wrn_40_8": CifarForm(depth=40, width=8, dropout=0.0),
    "cifar_wrn_28_12": CifarForm(depth=28, width=12, dropout=0.0),
    "cifar_wrn_22_8": CifarForm(depth=22, width=8, dropout=0.0),
    "cifar_wrn_22_10": CifarForm(depth=22, width=10, dropout=0.0),
    "cifar_wrn_16_10": CifarForm(depth=16, width=10, dropout=0.0),
    "wrn_50_2": ImageNetForm(blocks=(3, 4, 6, 3), bottleneck=True, width=2),
    # Table 7.
    "wrn_18_1": ImageNetForm(blocks=(2, 2, 2, 2), bottleneck=False, width=1),
    "wrn_18_1_5": ImageNetForm(blocks=(2, 2, 2, 2), bottleneck=False, width=1.5),
    "wrn_18_2": ImageNetForm(blocks=(2, 2, 2, 2), bottleneck=False, width=2),
    "wrn_18_3": ImageNetForm(blocks=(2, 2, 2, 2), bottleneck=False, width=3),
    "wrn_34_1": ImageNetForm(blocks=(3, 4, 6, 3), bottleneck=False, width=1),
    "wrn_34_1_5": ImageNetForm(blocks=(3, 4, 6, 3), bottleneck=False, width=1.5),
    "wrn_34_2": ImageNetForm(blocks=(3, 4, 6, 3), bottleneck=False, width=2),
    "wrn_68_3": ImageNetForm(blocks=(3, 4, 23, 3), bottleneck=False, width=3),
    "wrn_68_2": ImageNetForm(blocks=(3, 4, 23, 3), bottleneck=False, width=2),
}
