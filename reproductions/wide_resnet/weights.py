"""Weights of other wide residual networks into ours; refusals are RunErrors, as assign_torch's."""

import keras

from common.models.preprocessing import torchvision
from common.models.weight_import import State, assign_torch, require_variant
from reproductions.resnet.weights import torch_names


def from_torchvision(state: State, model: keras.Model) -> None:
    """Takes torchvision's wide_resnet50_2, for wrn_50_2: layer1.0.conv1.weight ..."""
    require_variant(
        model,
        ("wrn_50_2",),
        "torchvision's wide_resnet50_2 is a network for ImageNet of 50 layers with "
        "bottlenecks of twice the width",
    )
    assign_torch(model, state, torch_names(model))


PREPROCESSING = {
    "torchvision": torchvision(256, 224),  # IMAGENET1K_V1
    "torchvision_232": torchvision(232, 224),  # IMAGENET1K_V2
}
LAYOUTS = {"torchvision": from_torchvision, "torchvision_232": from_torchvision}
