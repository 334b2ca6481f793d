"""Published weights for the CIFAR-10 networks."""

import re

import keras

from common.errors import RunError
from common.models.preprocessing import TORCH_PIXELS, Preprocessing
from common.models.weight_import import State, assign_torch
from reproductions.resnet_cifar.model import split_name


def from_akamaster(state: State, model: keras.Model) -> None:
    """Sets the weights from a file of akamaster/pytorch_resnet_cifar10.

    Args:
        state: `conv1.weight`, `layer2.0.bn1.weight`, `linear.bias` ...
        model: An akamaster_resnetN: its zero channels and its normalisation
            of the pixels are not the paper's.

    Raises:
        RunError: if the model is another, or the entries do not fit.
    """
    family, depth = split_name(model.name)
    if family != "akamaster_resnet":
        raise RunError(
            f"These weights are for akamaster_resnet{depth}: in {model.name} "
            "the zero channels of the shortcuts stand elsewhere and the pixels "
            "are normalised in another way, so it would err without a sign."
        )
    names = [layer.name for layer in model.layers if layer.weights]
    assign_torch(model, state, {name: _akamaster(name) for name in names})


def _akamaster(layer: str) -> str:
    """`stage2_1_conv1_bn` is `layer2.0.bn1` there."""
    if layer == "fc":
        return "linear"
    block = re.fullmatch(r"stage(\d)_(\d+)_conv(\d)(_bn)?", layer)
    if block is None:
        return {"conv1": "conv1", "conv1_bn": "bn1"}[layer]
    stage, index, conv, norm = block.groups()
    kind = "bn" if norm else "conv"
    return f"layer{stage}.{int(index) - 1}.{kind}{conv}"


# trainer.py there: ToTensor and Normalize with ImageNet's numbers, of the image
# as it is stored.
PREPROCESSING = {"akamaster": Preprocessing(normalize=TORCH_PIXELS, test_transforms=None)}
LAYOUTS = {"akamaster": from_akamaster}
