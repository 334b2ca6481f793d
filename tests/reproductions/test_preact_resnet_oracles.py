"""The same weights give the logits of an independent implementation.

pytorchcv's PreResNet activates once more, before its first unit. Under the golden
weights that does nothing to what the pooling gives, which is not negative.
"""

import dataclasses
import re

import pytest

import reproductions
from common.models.weight_import import assign_torch
from reproductions.preact_resnet.forms import FORMS
from reproductions.preact_resnet.model import network
from tests import golden

ONCE_MORE = "features.stage1.unit1.body.conv1.bn"
_OURS = re.compile(r"stage(\d)_(\d+)_(pre|conv|shortcut)(\d?)(_bn)?")


def pytorchcv_names(model):
    """What pytorchcv calls our layers: its activations stand before its convolutions."""
    names = {
        "conv1": "features.init_block.conv",
        "conv1_bn": "features.init_block.bn",
        "last_bn": "features.post_activ.bn",
        "fc": "output",
    }
    for layer in model.layers:
        if match := _OURS.fullmatch(layer.name):
            stage, unit, part, number, norm = match.groups()
            prefix = f"features.stage{stage}.unit{unit}"
            if part == "shortcut":
                names[layer.name] = f"{prefix}.identity_conv"
            elif norm:
                after = int(number or 0) + 1
                names[layer.name] = f"{prefix}.body.conv{after}.bn"
            elif part == "conv":
                names[layer.name] = f"{prefix}.body.conv{number}.conv"
    return names


def with_golden_weights(variant, oracle):
    model = reproductions.build_model("preact_resnet", variant)
    state = {e: v for e, v in golden.state(oracle).items() if not e.startswith(ONCE_MORE)}
    assign_torch(model, state, pytorchcv_names(model))
    return model


@pytest.mark.parametrize(
    ("variant", "oracle"),
    [
        ("preact_resnet18", "pytorchcv_preresnet18"),
        ("preact_resnet50", "pytorchcv_preresnet50"),
    ],
)
def test_logits_are_pytorchcvs(variant, oracle):
    model = with_golden_weights(variant, oracle)
    logits = model(golden.image(oracle)).numpy()
    # Measured 1.2e-6 and 1.2e-5.
    assert golden.difference(logits, oracle) < 5e-5


def test_the_stride_in_the_3x3_would_show():
    """As fb.resnet.torch has it; all shapes agree."""
    oracle = "pytorchcv_preresnet50"
    right = with_golden_weights("preact_resnet50", oracle)
    form = dataclasses.replace(FORMS["preact_resnet50"], stride_on_3x3=True)
    other = network(form, 224, 1000, name="other")
    other.set_weights(right.get_weights())
    assert golden.difference(other(golden.image(oracle)).numpy(), oracle) > 0.05
