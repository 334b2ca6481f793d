"""Weights of other Inception-v3 networks into ours.

torchvision's average pooling counts the zeros around a map, TensorFlow's does
not: no shape differs, and the logits do. So each layout goes into the variant
that computes what it was trained for; refusals are RunErrors, as assign_torch's.
"""

import re

import keras

from common.data.transforms import ScalePixels
from common.models.inception import convolutions
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
from reproductions.inception_v3.networks import FORMS

KERAS_APPLICATIONS = {"inception_v3": "InceptionV3"}


def from_torchvision(state: State, model: keras.Model) -> None:
    """Takes torchvision's Mixed_5b.branch1x1.conv.weight ..., for inception_v3_torchvision.

    Its weights expect RGB in -1 .. 1 (torchvision's `transform_input` makes
    that of standardised pixels). A state without any entry of the auxiliary
    head ("AuxLogits...") leaves ours as it is; one with some must have all.
    """
    require_variant(
        model,
        ("inception_v3_torchvision",),
        "torchvision's network counts the zeros around a map in its average pooling",
    )
    if not any(entry.startswith("AuxLogits") for entry in state):
        model = main_head(model)
    names = {"logits": "fc", "aux_logits": "AuxLogits.fc"}
    for name in (*_convolutions(model.name), "aux_conv0", "aux_conv1"):
        theirs = name.replace("conv_", "Conv2d_").replace("aux_", "AuxLogits.")
        if match := re.fullmatch(r"mixed_(\w\w)_(branch\w+)", name):
            theirs = "Mixed_{}.{}".format(*match.groups())
        names |= {name: f"{theirs}.conv", f"{name}_bn": f"{theirs}.bn"}
    assign_torch(model, state, names)


def from_keras(state: State, model: keras.Model) -> None:
    """Takes keras.applications' InceptionV3, for the main head of inception_v3.

    It has no auxiliary head: ours stays as it is. Its batch normalisation has
    no scale: ours becomes 1. Its convolutions have automatic names.
    """
    require_variant(
        model,
        ("inception_v3",),
        "keras.applications' network leaves the zeros around a map out of its average pooling",
    )
    model = main_head(model)
    names = numbered_layers(state, model, _convolutions(model.name))
    names |= {"logits": "predictions"}
    assign_keras(model, state | unit_scales(model, names), names)


def _convolutions(variant: str) -> list[str]:
    """The names of all up to the logits, in the order of building."""
    form = FORMS[variant]
    return [place.name for _, place in convolutions(form.stem | form.modules)]


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
