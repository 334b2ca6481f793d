"""Weights of other ResNeXts into ours; refusals are RunErrors, as assign_torch's."""

import re

import keras

from common.errors import RunError
from common.models.preprocessing import torchvision
from common.models.weight_import import State, assign_torch
from reproductions.resnet.weights import torch_names

_OURS = re.compile(r"conv(\d)_(\d+)_(.+)")
_CADENE = {  # the place of a layer in a block of the converted Lua network
    **{"a": "0.0.0", "a_bn": "0.0.1", "b": "0.0.3", "b_bn": "0.0.4"},
    **{"c": "0.1", "c_bn": "0.2", "shortcut": "1.0", "shortcut_bn": "1.1"},
}


def from_torchvision(state: State, model: keras.Model) -> None:
    """Takes torchvision's ResNeXts that it resizes to 256: not resnext101_64x4d."""
    if model.name == "resnext101_64x4d":
        raise RunError(
            "torchvision resizes the images of its resnext101_64x4d to 232 "
            "pixels, not to 256: import its weights --from torchvision_232."
        )
    from_torchvision_232(state, model)


def from_torchvision_232(state: State, model: keras.Model) -> None:
    """Takes torchvision's ResNeXts, or of its layout: layer1.0.conv1.weight ...

    torchvision itself has 50 layers of 32x4d and 101 of 64x4d.
    """
    assign_torch(model, state, torch_names(model))


def from_cadene(state: State, model: keras.Model) -> None:
    """Takes what the authors released, as Cadene converted it: features.0.weight ...

    resnext101_32x4d and resnext101_64x4d of Cadene/pretrained-models.pytorch.
    """
    stem = {"conv1": "features.0", "conv1_bn": "features.1"}
    names = stem | {"fc": "last_linear"}
    for layer in model.layers:
        if layer.variables and (found := _OURS.fullmatch(layer.name)):
            stage, number, part = found.groups()
            block = f"features.{int(stage) + 2}.{int(number) - 1}.0"
            names[layer.name] = f"{block}.{_CADENE[part]}"
    assign_torch(model, state, names)


PREPROCESSING = {
    "torchvision": torchvision(256, 224),  # IMAGENET1K_V1
    "torchvision_232": torchvision(232, 224),  # V2; resnext101_64x4d's V1
    # Cadene, models/resnext.py: as torchvision; utils.TransformImage:
    # Resize(224 / 0.875).
    "cadene": torchvision(256, 224),
}
LAYOUTS = {
    "torchvision": from_torchvision,
    "torchvision_232": from_torchvision_232,
    "cadene": from_cadene,
}
