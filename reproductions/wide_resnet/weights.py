"""Weights of other wide residual networks into ours."""

import re

import keras

from common.errors import RunError
from common.weights import State, assign_torch

_OURS = re.compile(r"conv(\d)_(\d+)_(a|b|c|shortcut)(_bn)?")


def from_torchvision(state: State, model: keras.Model) -> None:
    """Sets the weights from torchvision's wide_resnet50_2.

    Args:
        state: layer1.0.conv1.weight and so on, as
            common.weights.assign_torch takes them.
        model: wrn_50_2.

    Raises:
        RunError: if the model is another variant, or an entry is missing,
            unknown, or of another shape.
    """
    if model.name != "wrn_50_2":
        raise RunError(
            f"torchvision has no {model.name}: its wide_resnet50_2 is a "
            "network for ImageNet of 50 layers with bottlenecks of twice the "
            "width. Import its weights into wrn_50_2."
        )
    assign_torch(model, state, _torch_names(model))


def _torch_names(model: keras.Model) -> dict[str, str]:
    names = {"conv1": "conv1", "conv1_bn": "bn1", "fc": "fc"}
    for layer in model.layers:
        if match := _OURS.fullmatch(layer.name):
            stage, index, part, norm = match.groups()
            if part == "shortcut":
                theirs = "downsample.1" if norm else "downsample.0"
            else:
                theirs = f"{'bn' if norm else 'conv'}{' abc'.find(part)}"
            prefix = f"layer{int(stage) - 1}.{int(index) - 1}"
            names[layer.name] = f"{prefix}.{theirs}"
    return names


LAYOUTS = {"torchvision": from_torchvision}
