"""Weights of the released networks into ours.

TensorFlow's checkpoints were ported to PyTorch by Cadene (inceptionv4,
inceptionresnetv2) and to Keras (InceptionResNetV2). The ports have no auxiliary
heads: ours stay as they are. The networks of the paper's figures are others,
and these weights are refused for them; refusals are RunErrors, as assign_torch's.
"""

import re

import keras

from common.data.transforms import ScalePixels
from common.models.inception import Place, convolutions
from common.models.preprocessing import Preprocessing, torchvision_frame
from common.models.weight_import import (
    State,
    assign_keras,
    assign_torch,
    main_head,
    numbered_layers,
    require_variant,
    unit_scales,
)
from reproductions.inception_v4.networks import FORMS, Form

KERAS_APPLICATIONS = {"inception_resnet_v2_released": "InceptionResNetV2"}
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


def from_cadene(state: State, model: keras.Model) -> None:
    """Takes Cadene's inceptionv4 (features.0.conv.weight ...) or inceptionresnetv2.

    For the main heads of inception_v4_released and inception_resnet_v2_released.
    """
    if "features.0.conv.weight" in state:
        _require(model, "inception_v4_released", "inceptionv4")
        names = FORMS[model.name].modules
        modules = {name: f"features.{number}" for number, name in enumerate(names)}
    else:
        _require(model, "inception_resnet_v2_released", "inceptionresnetv2")
        modules = _CADENE_RESNET | {
            name: f"{_CADENE_REPEATED[block[1]]}.{int(block[2]) - 1}"
            for name in FORMS[model.name].modules
            if (block := _BLOCK.fullmatch(name)) and name not in _CADENE_RESNET
        }
    assign_torch(main_head(model), state, _cadene_names(FORMS[model.name], modules))


def from_keras(state: State, model: keras.Model) -> None:
    """Takes keras.applications' InceptionResNetV2, for inception_resnet_v2_released's main head.

    Its batch normalisation has no scale: ours becomes 1. Most of its
    convolutions have automatic names.
    """
    name = "inception_resnet_v2_released"
    _require(model, name, "keras.applications' InceptionResNetV2")
    model = main_head(model)
    ours = [place.name for _, place in convolutions(FORMS[name].modules) if place.name != "conv_7b"]
    names = numbered_layers(state, model, ours)
    names |= {"conv_7b": "conv_7b", "conv_7b_bn": "conv_7b_bn", "logits": "predictions"}
    for module in FORMS[name].modules:
        if block := _BLOCK.fullmatch(module):
            theirs = f"{_KERAS_REPEATED[block[1]]}_{block[2]}_conv"
            names[f"{module}_linear"] = theirs
    assign_keras(model, state | unit_scales(model, names), names)


def _require(model: keras.Model, variant: str, whose: str) -> None:
    require_variant(model, (variant,), f"they are not of its network, but of {whose}")


def _cadene_names(form: Form, modules: dict[str, str]) -> dict[str, str]:
    """Our layer's name -> theirs; `modules`: our module's -> theirs."""
    names = {"logits": "last_linear"}
    for ours, place in convolutions(form.modules):
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
    if sum(name == other for other, _ in convolutions(form.modules)) == 1:
        return ".conv"  # beside a pooling, in the stem
    chain = list(module.branches.values())[place.branch]
    branch = f".branch{place.branch}"
    if len(chain) == 1:
        return branch
    separator = "_" if isinstance(chain[-1], tuple) else "."
    return f"{branch}{separator}{place.step}{place.side}"


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
