"""Weights of the released PolyNet into ours; refusals are RunErrors, as assign_torch's."""

import re

import keras

from common.models.preprocessing import torchvision
from common.models.weight_import import State, assign_torch, require_variant
from reproductions.polynet.forms import FORMS

_OURS = re.compile(r"stage_([abc])_(\d+)_([fgh]+)_(path\d|expand)(?:_(\d+))?")


def from_cadene(state: State, model: keras.Model) -> None:
    """Takes Cadene's port of the authors' Caffe network, for polynet.

    Its weights expect RGB in 0 .. 1, standardised, as the recipe does.
    """
    require_variant(model, ("polynet",), "the release is the Very Deep PolyNet")
    names = {"fc": "last_linear"}
    for layer in model.layers:
        if layer.weights and layer.name != "fc":
            names[layer.name] = _torch_name(layer.name, model)
    assign_torch(model, state, names)


def _torch_name(layer: str, model: keras.Model) -> str:
    ours, kind = layer.removesuffix("_bn"), "conv"
    if ours != layer:
        kind = "bn"
    if match := _OURS.fullmatch(ours):
        return _in_module(*match.groups(), kind, model)
    # stem_conv2_long_1 -> stem.conv2_long.0; reduction_a_path1 has no number
    block, part, number = re.fullmatch(
        r"(stem|reduction_.)_(conv\d_branch|\w+?)(?:_(\d+))?", ours
    ).groups()
    return ".".join([block, part, *_place(number), kind])


def _place(number: str | None) -> list[str]:
    """A torch Sequential counts from 0."""
    return [str(int(number) - 1)] if number else []


def _in_module(stage, number, term, part, layer, kind, model) -> str:
    """A layer of a 2-way module's block, or of a poly-3 module."""
    place = int(number) - 1
    prefix = f"stage_{stage}.{place}"
    if FORMS[model.name].stages[stage][place] == "way2":
        part = part.replace("expand", "conv2d")
        block = "fgh".index(term)
        words = [prefix, "blocks", str(block), part, *_place(layer), kind]
        return ".".join(words)
    order = len(term) - 1
    if part == "expand":
        return f"{prefix}.conv2d_blocks.{order}.{kind}"
    if layer:  # path0_1x7: called after its kernel
        first = f"stage_{stage}_{number}_f_{part}_{layer}"
        height, width = model.get_layer(first).kernel_size
        part = f"{part}_{height}x{width}"
    return f"{prefix}.{part}." + (f"bn_blocks.{order}" if kind == "bn" else kind)


# Cadene, models/polynet.py: RGB, 0 .. 1, torchvision's mean and std, 331x331;
# utils.TransformImage: Resize(331 / 0.875), rounded down.
PREPROCESSING = {"cadene": torchvision(378, 331)}
LAYOUTS = {"cadene": from_cadene}
