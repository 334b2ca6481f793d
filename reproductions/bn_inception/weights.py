"""Weights of the released BN-Inception into ours; refusals are RunErrors, as assign_torch's."""

import keras

from common.data.transforms import SubtractMeanPixel
from common.models.preprocessing import Preprocessing, torchvision_frame
from common.models.weight_import import State, assign_torch, require_variant

_RENAMED = {
    "conv1_7x7": "conv1_7x7_s2",
    "conv1_7x7_bn": "conv1_7x7_s2_bn",
    "classifier": "last_linear",
}
_CONV1 = "conv1_7x7_s2.weight"


def from_cadene(state: State, model: keras.Model) -> None:
    """Takes Cadene's bninception, for bn_inception_caffe: our names but in `_RENAMED`.

    The released network was trained on BGR images of 0 .. 255, minus 104, 117
    and 128: conv1's colours are turned to RGB, as the recipe gives them.
    """
    require_variant(
        model,
        ("bn_inception_caffe",),
        "Cadene's bninception is a port of a Caffe network with a plain 7x7 conv1, another "
        "epsilon and another average pooling",
    )
    prefixes = {layer.name: _RENAMED.get(layer.name, layer.name) for layer in model.layers}
    rgb = {_CONV1: state[_CONV1][:, ::-1]} if _CONV1 in state else {}
    assign_torch(model, {**state, **rgb}, prefixes)


# Cadene, models/bninception.py: BGR, 0 .. 255, mean [104, 117, 128], std 1; RGB
# here, as conv1 is turned. utils.TransformImage: Resize(224 / 0.875).
PREPROCESSING = {
    "cadene": Preprocessing(
        normalize=SubtractMeanPixel(order="RGB", mean=(128.0, 117.0, 104.0)),
        test_transforms=torchvision_frame(256, 224),
    )
}
LAYOUTS = {"cadene": from_cadene}
