"""Weights of other wide residual networks into ours."""

import keras

from common.models.preprocessing import torchvision
from common.models.weight_import import State, assign_torch, require_variant
from reproductions.resnet.weights import torch_names


def from_torchvision(state: State, model: keras.Model) -> None:
    """Sets the weights from torchvision's wide_resnet50_2.

    Args:
        state: layer1.0.conv1.weight and so on; see assign_torch.
        model: wrn_50_2.

    Raises:
        RunError: as assign_torch, or if the model is another variant.
    """
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
