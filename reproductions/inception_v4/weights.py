"""Weights of the released networks into ours.

TensorFlow's checkpoints were ported to PyTorch by Cadene (inceptionv4,
inceptionresnetv2) and to Keras (InceptionResNetV2). The ports have no auxiliary
heads: ours stay as they are. The networks of the paper's figures are others,
and these weights are refused for them.
"""

import re

import keras
import numpy as np

from common.data.transforms import ScalePixels
from common.errors import RunError
from common.models.preprocessing import Preprocessing, torchvision_frame
from common.models.weight_import import State, assign_keras, assign_torch
from reproductions.inception_v4.model import FORMS
from reproductions.inception_v4.modules import Form, Place, convolutions

KERAS_APPLICATIONS = {"inception_resnet_v2_released": "InceptionResNetV2"}
_FIRST_OF_V4 = "features.0.conv.weight"
_CADENE_RESNET = {
    "stem_1": "conv2d_1a",
    "stem_2": "conv2d_2a",
    "stem_3": "conv2d_2b",
    "stem_5": "conv2d_3b",
    "stem_6": "conv2d_4a",
    "stem_8": "mixed_5b",
    "reduction_a": "mixed_6a",
    "reduction_b": "mixed_7a",
    "inception_resnet_c_10": "block8",
    "conv_7b": "conv2d_7b",
}
_CADENE_REPEATED = {"a": "repeat", "b": "repeat_1", "c": "repeat_2"}
_KERAS_REPEATED = {"a": "block35", "b": "block17", "c": "block8"}
_BLOCK = re.compile(r"inception_resnet_([abc])_(\d+)")
_NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?/(\w+)")


def from_cadene(state: State, model: keras.Model) -> None:
    """Sets the main head's weights from Cadene's ports.

    Args:
        state: Of inceptionv4 (features.0.conv.weight ...) or inceptionresnetv2
            (conv2d_1a.conv.weight ...), as common.models.weight_import.assign_torch takes
            them.
        model: inception_v4_released or inception_resnet_v2_released.

    Raises:
        RunError: if the model is another variant, or an entry is missing,
            unknown, or of another shape.
    """
    if _FIRST_OF_V4 in state:
        _check_variant(model, "inception_v4_released", "inceptionv4")
        modules = {
            name: f"features.{number}" for number, name in enumerate(FORMS[model.name].modules)
        }
    else:
        resnet = "inception_resnet_v2_released"
        _check_variant(model, resnet, "inceptionresnetv2")
        modules = _CADENE_RESNET | {
            name: f"{_CADENE_REPEATED[block[1]]}.{int(block[2]) - 1}"
            for name in FORMS[model.name].modules
            if (block := _BLOCK.fullmatch(name)) and name not in _CADENE_RESNET
        }
    model = _main(model)
    assign_torch(model, state, _cadene_names(FORMS[model.name], modules))


def from_keras(state: State, model: keras.Model) -> None:
    """Sets the main head's weights from keras.applications' InceptionResNetV2.

    Its batch normalisation has no scale: ours becomes 1. Most of its
    convolutions have automatic names: their numbers give the order of
    building, from whatever number on.

    Args:
        state: conv2d/kernel, batch_normalization_7/beta,
            block35_1_conv/kernel, conv_7b/kernel, predictions/kernel and so on.
        model: inception_resnet_v2_released.

    Raises:
        RunError: as from_cadene.
    """
    resnet = "inception_resnet_v2_released"
    _check_variant(model, resnet, "keras.applications' InceptionResNetV2")
    model = _main(model)
    names = {layer.name: layer.name for layer in model.layers}
    names |= _keras_numbers(state, model.name) | {"logits": "predictions"}
    for name in FORMS[model.name].modules:
        if block := _BLOCK.fullmatch(name):
            theirs = f"{_KERAS_REPEATED[block[1]]}_{block[2]}_conv"
            names[f"{name}_linear"] = theirs
    scales = {
        f"{names[layer.name]}/gamma": np.ones(layer.gamma.shape, "float32")
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assign_keras(model, state | scales, names)


def _check_variant(model: keras.Model, variant: str, whose: str) -> None:
    if model.name != variant:
        raise RunError(
            f"{model.name} would not compute what these weights were trained "
            f"for: they are not of its network, but of {whose}. Import them "
            f"into {variant}."
        )


def _main(model: keras.Model) -> keras.Model:
    """Without the auxiliary head."""
    return keras.Model(model.input, model.outputs[0], name=model.name)


def _cadene_names(form: Form, modules: dict[str, str]) -> dict[str, str]:
    """Our layer's name -> theirs; `modules`: our module's -> theirs."""
    names = {"logits": "last_linear"}
    for ours, place in convolutions(form):
        theirs = modules[ours] + _cadene_place(form, ours, place)
        names[place.name] = f"{theirs}.conv"
        names[f"{place.name}_bn"] = f"{theirs}.bn"
    for ours, theirs in modules.items():
        if form.modules[ours].residual:
            names[f"{ours}_linear"] = f"{theirs}.conv2d"
    return names


def _cadene_place(form: Form, name: str, place: Place) -> str:
    """.branch1, .branch1.0 or, in a branch that ends in a pair, .branch1_0."""
    module = form.modules[name]
    if len(module.branches) == 1:
        return ""
    if sum(name == other for other, _ in convolutions(form)) == 1:
        return ".conv"  # beside a pooling, in the stem
    chain = list(module.branches.values())[place.branch]
    branch = f".branch{place.branch}"
    if len(chain) == 1:
        return branch
    separator = "_" if isinstance(chain[-1], tuple) else "."
    return f"{branch}{separator}{place.step}{place.side}"


def _keras_numbers(state: State, variant: str) -> dict[str, str]:
    """Our name -> theirs, of the layers that Keras has numbered."""
    places = [place.name for _, place in convolutions(FORMS[variant])]
    ours = [name for name in places if name != "conv_7b"]
    numbers = {"conv2d": set(), "batch_normalization": set()}
    for match in map(_NUMBERED.fullmatch, state):
        if match:
            numbers[match[1]].add(int(match[2] or 0))
    names = {}
    for kind, suffix in (("conv2d", ""), ("batch_normalization", "_bn")):
        if len(numbers[kind]) != len(ours):
            raise RunError(
                f"These are not the weights of {variant}: they have "
                f"{len(numbers[kind])} layers {kind}, it has {len(ours)}."
            )
        for number, name in zip(sorted(numbers[kind]), ours, strict=True):
            names[name + suffix] = f"{kind}_{number}" if number else kind
    return names


_HALVES = ScalePixels(-1.0, 1.0)
PREPROCESSING = {
    # Cadene, models/inceptionv4.py and inceptionresnetv2.py: RGB, 0 .. 1, mean
    # and std 0.5. utils.TransformImage: Resize(299 / 0.875), rounded down.
    "cadene": Preprocessing(normalize=_HALVES, test_transforms=torchvision_frame(341, 299)),
    # keras.applications.inception_resnet_v2.preprocess_input, mode "tf"; of
    # sizes see common.models.preprocessing.KERAS_CAFFE.
    "keras": Preprocessing(normalize=_HALVES, test_transforms=None),
}
LAYOUTS = {"cadene": from_cadene, "keras": from_keras}
