"""Published weights for the CIFAR-10 networks; refusals are RunErrors, as assign_torch's."""

import re

import keras

from common.models.preprocessing import TORCH_PIXELS, Preprocessing
from common.models.weight_import import State, assign_torch, require_variant
from reproductions.resnet_cifar.recipe import RECIPES


def from_akamaster(state: State, model: keras.Model) -> None:
    """Takes akamaster/pytorch_resnet_cifar10's `layer2.0.bn1.weight` ..., for akamaster_resnetN."""
    require_variant(
        model,
        [variant for variant in RECIPES if variant.startswith("akamaster_resnet")],
        "in the paper's networks the zero channels of the shortcuts stand elsewhere and the "
        "pixels are normalised in another way",
    )
    names = {"fc": "linear", "conv1": "conv1", "conv1_bn": "bn1"}
    for layer in model.layers:  # stage2_1_conv1_bn is layer2.0.bn1 there
        if match := re.fullmatch(r"stage(\d)_(\d+)_conv(\d)(_bn)?", layer.name):
            stage, index, conv, norm = match.groups()
            kind = "bn" if norm else "conv"
            names[layer.name] = f"layer{stage}.{int(index) - 1}.{kind}{conv}"
    assign_torch(model, state, names)


# trainer.py there: ToTensor and Normalize with ImageNet's numbers, of the image
# as it is stored.
PREPROCESSING = {"akamaster": Preprocessing(normalize=TORCH_PIXELS, test_transforms=None)}
LAYOUTS = {"akamaster": from_akamaster}
