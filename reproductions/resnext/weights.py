"""Weights of other ResNeXts into ours; refusals are RunErrors, as assign_torch's."""

import re

import keras

from common.errors import RunError
from common.models.preprocessing import torchvision
from common.models.weight_import import State, assign_torch
from reproductions.resnet.weights import torch_names
from reproductions.resnext.forms import FORMS

_OURS = re.compile(r"conv(\d)_(\d+)_(.+)")
_CADENE = {  # the place of a layer in a block of the converted Lua network
    **{"a": "0.0.0", "a_bn": "0.0.1", "b": "0.0.3", "b_bn": "0.0.4"},
    **{"c": "0.1", "c_bn": "0.2", "shortcut": "1.0", "shortcut_bn": "1.1"},
}
_3X3 = re.compile(r"layer\d\.\d+\.conv2\.weight|features\.\d\.\d+\.0\.0\.0\.3\.weight")
_FIRST_3X3 = ("layer1.0.conv2.weight", "features.4.0.0.0.0.3.weight")
_FIRST_LAST_1X1 = ("layer1.0.conv3.weight", "features.4.0.0.0.1.weight")


def from_torchvision(state: State, model: keras.Model) -> None:
    """Takes torchvision's ResNeXts that it resizes to 256: not resnext101_64x4d."""
    _require_template(state, model)
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
    _require_template(state, model)
    assign_torch(model, state, torch_names(model))


def from_cadene(state: State, model: keras.Model) -> None:
    """Takes what the authors released, as Cadene converted it: features.0.weight ...

    resnext101_32x4d and resnext101_64x4d of Cadene/pretrained-models.pytorch.
    """
    _require_template(state, model)
    stem = {"conv1": "features.0", "conv1_bn": "features.1"}
    names = stem | {"fc": "last_linear"}
    for layer in model.layers:
        if layer.variables and (found := _OURS.fullmatch(layer.name)):
            stage, number, part = found.groups()
            block = f"features.{int(stage) + 2}.{int(number) - 1}.0"
            names[layer.name] = f"{block}.{_CADENE[part]}"
    assign_torch(model, state, names)


def _require_template(state: State, model: keras.Model) -> None:
    """Says which variant the weights are for, if it is not this one."""
    if FORMS[model.name].small_images:
        raise RunError(
            f"{model.name} is a network for CIFAR-10; published ResNeXts are "
            "for ImageNet. Import them into resnext50_32x4d, resnext101_32x4d "
            "or resnext101_64x4d."
        )
    blocks = sum(_3X3.fullmatch(entry) is not None for entry in state)
    # A grouped 3x3 convolution of C x d has the shape (C d, d, 3, 3).
    first = next((state[entry] for entry in _FIRST_3X3 if entry in state), None)
    bottlenecks = any(entry in state for entry in _FIRST_LAST_1X1)
    if first is None or first.ndim != 4 or not bottlenecks:
        return  # of something else: assign_torch lists what is missing
    template = (blocks, first.shape[0] // first.shape[1], first.shape[1])
    right = [
        name
        for name, form in FORMS.items()
        if not form.small_images and (sum(form.blocks), form.cardinality, form.width) == template
    ]
    if model.name not in right:
        advice = f"Import them into {right[0]}." if right else "The paper has no such network."
        raise RunError(
            f"These weights are of {3 * blocks + 2} layers of {template[1]}x"
            f"{template[2]}d, {model.name} is another network. {advice}"
        )


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
