"""What tells the networks of Table 1 apart; see model.py; imports no TensorFlow."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """What tells the networks of Table 1 apart.

    Attributes:
        blocks: In conv2_x to conv5_x.
        bottleneck: Blocks of 1x1, 3x3, 1x1 instead of two 3x3 (Fig. 5).
        shortcuts: "A" (identity, zeros for new maps), "B" (projections where
            the number of maps changes), "C" (projections everywhere), Sec.
            4.1; "" in a plain network.
        stride_on_3x3: Of a bottleneck; else its first 1x1 has the stride.
        pool_padding: Rows and columns before the first pooling window.
    """

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    shortcuts: Literal["A", "B", "C", ""]
    stride_on_3x3: bool = False
    pool_padding: int = 1


RESNET18 = Form(blocks=(2, 2, 2, 2), bottleneck=False, shortcuts="B")
RESNET34 = Form(blocks=(3, 4, 6, 3), bottleneck=False, shortcuts="B")
RESNET50 = Form(blocks=(3, 4, 6, 3), bottleneck=True, shortcuts="B")
RESNET101 = Form(blocks=(3, 4, 23, 3), bottleneck=True, shortcuts="B")
RESNET152 = Form(blocks=(3, 8, 36, 3), bottleneck=True, shortcuts="B")

FORMS = {
    "resnet50": RESNET50,
    "resnet101": RESNET101,
    "resnet152": RESNET152,
    "plain18": dataclasses.replace(RESNET18, shortcuts=""),
    "plain34": dataclasses.replace(RESNET34, shortcuts=""),
    "resnet18": RESNET18,
    "resnet34": RESNET34,
    "resnet18_a": dataclasses.replace(RESNET18, shortcuts="A"),
    "resnet34_a": dataclasses.replace(RESNET34, shortcuts="A"),
    "resnet34_c": dataclasses.replace(RESNET34, shortcuts="C"),
    "resnet50_caffe": dataclasses.replace(RESNET50, pool_padding=0),
    "resnet101_caffe": dataclasses.replace(RESNET101, pool_padding=0),
    "resnet152_caffe": dataclasses.replace(RESNET152, pool_padding=0),
    "resnet50_v1_5": dataclasses.replace(RESNET50, stride_on_3x3=True),
    "resnet101_v1_5": dataclasses.replace(RESNET101, stride_on_3x3=True),
    "resnet152_v1_5": dataclasses.replace(RESNET152, stride_on_3x3=True),
}
