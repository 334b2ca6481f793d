"""What tells the networks of Tables 1 to 5 apart; see model.py; imports no TensorFlow."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """Where Fig. 4 has BN and ReLU; BN-ReLU stands between all weight layers.

    Attributes:
        before: Ahead of a unit's first weight layer: "relu", "bn_relu" or "".
        end: Behind its last one.
        after: Behind the addition.
    """

    before: str = ""
    end: str = ""
    after: str = ""


ORIGINAL = Order(end="bn", after="relu")  # Fig. 4(a)
BN_AFTER_ADDITION = Order(after="bn_relu")  # (b)
RELU_BEFORE_ADDITION = Order(end="bn_relu")  # (c)
RELU_ONLY = Order(before="relu", end="bn")  # (d)
FULL = Order(before="bn_relu")  # (e)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """What tells the networks of Tables 1 to 5 apart.

    Attributes:
        units: In each stage: four for ImageNet, three for CIFAR.
        layers: Of a unit: 1 or 2 of 3x3, or the 3 of a bottleneck.
        order: Of batch normalisation and ReLU (Fig. 4).
        shortcut: What Table 1 does to all shortcuts: "" (nothing), "scale"
            (times 0.5), "gate" (times 1 - g), "conv" (1x1) or "dropout".
        branch: What it does to F: "", "scale" (times 0.5), "gate" (times g).
        gate_bias: Initial b_g of g(x) = sigmoid(W_g x + b_g).
        fair: As in fb.resnet.torch of April 2016: a bottleneck's stride in its 3x3, not in
            its first 1x1; projections of the unit's own input, with BN; the first unit has an
            activation of its own.
        torch_start: Weights begin as in the Torch code of the releases: N(0, 2 / fan-out),
            and fc as torch's default; else N(0, 2 / fan-in) and N(0, 0.01).
    """

    units: tuple[int, ...]
    layers: int
    order: Order
    shortcut: Literal["", "scale", "gate", "conv", "dropout"] = ""
    branch: Literal["", "scale", "gate"] = ""
    gate_bias: float = 0.0
    fair: bool = False
    torch_start: bool = False


PRE200 = Form(units=(3, 24, 36, 3), layers=3, order=FULL)
PRE110 = Form(units=(18, 18, 18), layers=2, order=FULL)
PRE1001 = Form(units=(111, 111, 111), layers=3, order=FULL)
ONE_LAYER = Form(units=(36, 36, 36), layers=1, order=FULL)
RESNET110 = dataclasses.replace(PRE110, order=ORIGINAL)
GATED = dataclasses.replace(RESNET110, shortcut="gate", branch="gate", gate_bias=-6.0)

FORMS = {
    "preact_resnet200": PRE200,
    "preact_resnet152": dataclasses.replace(PRE200, units=(3, 8, 36, 3)),
    "preact_resnet101": dataclasses.replace(PRE200, units=(3, 4, 23, 3)),
    "preact_resnet50": dataclasses.replace(PRE200, units=(3, 4, 6, 3)),
    "preact_resnet34": Form(units=(3, 4, 6, 3), layers=2, order=FULL),
    "preact_resnet18": Form(units=(2, 2, 2, 2), layers=2, order=FULL),
    "preact_resnet200_fair": dataclasses.replace(PRE200, fair=True, torch_start=True),
    "resnet200_original": dataclasses.replace(PRE200, order=ORIGINAL),
    "cifar_preact_resnet110": PRE110,
    "cifar_preact_resnet164": dataclasses.replace(PRE110, layers=3),
    "cifar_preact_resnet1001": PRE1001,
    "cifar_preact_resnet1001_released": dataclasses.replace(PRE1001, torch_start=True),
    "cifar_preact_resnet110_one_layer": ONE_LAYER,
    "cifar_resnet110_original": RESNET110,
    "cifar_resnet164_original": dataclasses.replace(RESNET110, layers=3),
    "cifar_resnet1001_original": dataclasses.replace(PRE1001, order=ORIGINAL),
    "cifar_resnet110_one_layer": dataclasses.replace(ONE_LAYER, order=ORIGINAL),
    "cifar_resnet110_bn_after_addition": dataclasses.replace(PRE110, order=BN_AFTER_ADDITION),
    "cifar_resnet110_relu_before_addition": dataclasses.replace(PRE110, order=RELU_BEFORE_ADDITION),
    "cifar_resnet110_relu_only_preactivation": dataclasses.replace(PRE110, order=RELU_ONLY),
    "cifar_resnet110_scaled_shortcut": dataclasses.replace(RESNET110, shortcut="scale"),
    "cifar_resnet110_scaled_both": dataclasses.replace(RESNET110, shortcut="scale", branch="scale"),
    "cifar_resnet110_exclusive_gating": GATED,
    "cifar_resnet110_exclusive_gating_bias7": dataclasses.replace(GATED, gate_bias=-7.0),
    "cifar_resnet110_shortcut_gating": dataclasses.replace(GATED, branch=""),
    "cifar_resnet110_shortcut_gating_bias0": dataclasses.replace(GATED, branch="", gate_bias=0.0),
    "cifar_resnet110_conv_shortcut": dataclasses.replace(RESNET110, shortcut="conv"),
    "cifar_resnet110_dropout_shortcut": dataclasses.replace(RESNET110, shortcut="dropout"),
}
