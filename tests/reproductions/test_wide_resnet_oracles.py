"""The same weights give the logits of an independent implementation.

pytorchcv's ResNet of two 3x3 convolutions a block, with blocks (3, 4, 6, 3), and twice
the maps everywhere but in its first convolution.
"""

import re

import reproductions
from common.models.weight_import import assign_torch
from tests import golden

_OURS = re.compile(r"conv(\d)_(\d+)_(a|b|shortcut)(_bn)?")


def pytorchcv_names(model):
    """What pytorchcv calls our layers."""
    first = "features.init_block.conv"
    names = {"conv1": f"{first}.conv", "conv1_bn": f"{first}.bn", "fc": "output"}
    parts = {"a": "body.conv1", "b": "body.conv2", "shortcut": "identity_conv"}
    for layer in model.layers:
        if match := _OURS.fullmatch(layer.name):
            stage, unit, part, norm = match.groups()
            kind = "bn" if norm else "conv"
            unit = f"features.stage{int(stage) - 1}.unit{unit}"
            names[layer.name] = f"{unit}.{parts[part]}.{kind}"
    return names


def test_logits_are_pytorchcvs():
    oracle = "pytorchcv_resnet34_wide2"
    model = reproductions.build_model("wide_resnet", "wrn_34_2")
    assign_torch(model, golden.state(oracle), pytorchcv_names(model))
    logits = model(golden.image(oracle)).numpy()
    # Measured 4.7e-6.
    assert golden.difference(logits, oracle) < 5e-5
