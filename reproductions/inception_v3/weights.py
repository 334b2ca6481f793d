"""Weights of other Inception-v3 networks into ours.

torchvision's average pooling counts the zeros around a map, TensorFlow's does
not: no shape differs, and the logits do. So each layout goes into the variant
that computes what it was trained for.
"""

import re

import keras
import numpy as np

from common.data.transforms import ScalePixels
from common.errors import RunError
from common.models.preprocessing import Preprocessing, torchvision_frame
from common.models.weight_import import State, assign_keras, assign_torch
from reproductions.inception_v3.modules import FORMS, convolutions

KERAS_APPLICATIONS = {"inception_v3": "InceptionV3"}
_TORCH_AUX = {
    "aux_conv0": "AuxLogits.conv0.conv",
    "aux_conv0_bn": "AuxLogits.conv0.bn",
    "aux_conv1": "AuxLogits.conv1.conv",
    "aux_conv1_bn": "AuxLogits.conv1.bn",
    "aux_logits": "AuxLogits.fc",
}
_NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?/(\w+)")


def from_torchvision(state: State, model: keras.Model) -> None:
    """Sets the model's weights from torchvision's inception_v3.

    Its weights expect RGB in -1 .. 1 (torchvision's `transform_input` makes
    that of standardised pixels). A state without any entry of the auxiliary
    head ("AuxLogits...") leaves ours as it is; one with some must have all.

    Args:
        state: Mixed_5b.branch1x1.conv.weight and so on, as
            common.models.weight_import.assign_torch takes them.
        model: inception_v3_torchvision.

    Raises:
        RunError: if the model is another variant, or an entry is missing,
            unknown, or of another shape.
    """
    _check_variant(
        model,
        "inception_v3_torchvision",
        "torchvision's network counts the zeros around a map in its average pooling",
    )
    if not any(entry.startswith("AuxLogits") for entry in state):
        model = _main(model)
    assign_torch(model, state, _torch_names())


def from_keras(state: State, model: keras.Model) -> None:
    """Sets the main head's weights from keras.applications' InceptionV3.

    It has no auxiliary head: ours stays as it is. Its batch normalisation has
    no scale: ours becomes 1. Its convolutions have automatic names: their
    numbers give the order of building, from whatever number on.

    Args:
        state: conv2d/kernel, batch_normalization_7/beta, predictions/kernel
            and so on.
        model: inception_v3.

    Raises:
        RunError: as from_torchvision.
    """
    _check_variant(
        model,
        "inception_v3",
        "keras.applications' network leaves the zeros around a map out of its average pooling",
    )
    model = _main(model)
    state = _in_order(state, model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            state[f"{layer.name}/gamma"] = np.ones(layer.gamma.shape)
    names = {layer.name: layer.name for layer in model.layers}
    assign_keras(model, state, names | {"logits": "predictions"})


def _check_variant(model: keras.Model, variant: str, computes: str) -> None:
    if model.name != variant:
        raise RunError(
            f"{model.name} would not compute what these weights were trained "
            f"for: {computes}. Import them into {variant}."
        )


def _main(model: keras.Model) -> keras.Model:
    """Without the auxiliary head."""
    return keras.Model(model.input, model.outputs[0], name=model.name)


def _torch_names() -> dict[str, str]:
    names = _TORCH_AUX | {"logits": "fc"}
    for name in convolutions(FORMS["inception_v3_torchvision"]):
        if match := re.fullmatch(r"mixed_(\w\w)_(branch\w+)", name):
            theirs = "Mixed_{}.{}".format(*match.groups())
        else:
            theirs = name.replace("conv_", "Conv2d_")
        names |= {name: f"{theirs}.conv", f"{name}_bn": f"{theirs}.bn"}
    return names


def _in_order(state: State, model: keras.Model) -> State:
    """The state with our layers' names for the numbered ones."""
    numbers = {"conv2d": set(), "batch_normalization": set()}
    for match in map(_NUMBERED.fullmatch, state):
        if match:
            numbers[match[1]].add(int(match[2] or 0))
    ours = list(convolutions(FORMS[model.name]))
    renamed = {}
    for kind, suffix in (("conv2d", ""), ("batch_normalization", "_bn")):
        if len(numbers[kind]) != len(ours):
            raise RunError(
                f"These are not the weights of {model.name}: they have "
                f"{len(numbers[kind])} layers {kind}, it has {len(ours)}."
            )
        for number, name in zip(sorted(numbers[kind]), ours, strict=True):
            theirs = f"{kind}_{number}" if number else kind
            renamed[theirs] = name + suffix
    return {_renamed(entry, renamed): array for entry, array in state.items()}


def _renamed(entry: str, names: dict[str, str]) -> str:
    layer, _, variable = entry.rpartition("/")
    return f"{names.get(layer, layer)}/{variable}"


_HALVES = ScalePixels(-1.0, 1.0)
PREPROCESSING = {
    # Inception_V3_Weights: crop_size=299, resize_size=342; the standardised
    # pixels are then turned to -1 .. 1 in the network (transform_input).
    "torchvision": Preprocessing(normalize=_HALVES, test_transforms=torchvision_frame(342, 299)),
    # keras.applications.inception_v3.preprocess_input, mode "tf"; of sizes
    # see common.models.preprocessing.KERAS_CAFFE.
    "keras": Preprocessing(normalize=_HALVES, test_transforms=None),
}
LAYOUTS = {"torchvision": from_torchvision, "keras": from_keras}
