"""Weights of other wide residual networks into ours."""

import keras

from common.errors import RunError
from common.models.preprocessing import torchvision
from common.models.weight_import import State, assign_torch
from reproductions.resnet.weights import torch_names


def from_torchvision(state: State, model: keras.Model) -> None:
    """Sets the weights from torchvision's wide_resnet50_2.

    Args:
        state: layer1.0.conv1.weight and so on, as
            common.models.weight_import.assign_torch takes them.
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
    assign_torch(model, state, torch_names(model))


PREPROCESSING = {
    "torchvision": torchvision(256, 224),  # IMAGENET1K_V1
    "torchvision_232": torchvision(232, 224),  # IMAGENET1K_V2
}
LAYOUTS = {
    "torchvision": from_torchvision,
    "torchvision_232": from_torchvision,
}
