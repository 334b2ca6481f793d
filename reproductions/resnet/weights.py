"""Weights of other ResNets into ours.

The stride of a bottleneck and the padding of the pooling change the logits and
no shape, so each layout goes into the variants that compute what it holds; refusals are
RunErrors, as assign_torch's.
"""

import re

import keras

from common.data.transforms import SubtractMeanPixel
from common.models.preprocessing import KERAS_CAFFE, Preprocessing, torchvision, torchvision_frame
from common.models.weight_import import State, assign_keras, assign_torch, require_variant

KERAS_APPLICATIONS = {"resnet50": "ResNet50", "resnet101": "ResNet101", "resnet152": "ResNet152"}
KERAS_EPSILON, EPSILON = 1.001e-5, 1e-5
_OURS = re.compile(r"conv(\d)_(\d+)_(a|b|c|shortcut)(_bn)?")


def from_torchvision(state: State, model: keras.Model) -> None:
    """Takes torchvision's resnet18 to resnet152: layer1.0.conv1.weight ..."""
    require_variant(
        model,
        ["resnet18", "resnet34", *(f"{name}_v1_5" for name in KERAS_APPLICATIONS)],
        "torchvision's ResNets have option B shortcuts, and the stride of a "
        "bottleneck in its 3x3 convolution",
    )
    assign_torch(model, state, torch_names(model))


def from_caffe(state: State, model: keras.Model) -> None:
    """Takes the authors' released Caffe networks under Cadene's names, for the _caffe variants.

    These are torchvision's, but last_linear for fc. Colour channels stay in the file's
    order: the release was trained on BGR images. The bias of conv1, which the 50-layer
    release has and batch normalisation subtracts again, goes into the running mean, exactly.
    """
    require_variant(
        model,
        [f"{name}_caffe" for name in KERAS_APPLICATIONS],
        "the released Caffe networks have the stride of a bottleneck in its "
        "first 1x1 convolution and a max pooling without padding",
    )
    state = _without_bias(state, "conv1.bias", "bn1.running_mean")
    assign_torch(model, state, torch_names(model, classifier="last_linear"))


def from_keras(state: State, model: keras.Model) -> None:
    """Takes keras.applications' ResNet50, 101 and 152: conv2_block1_1_conv/kernel ...

    Exact: batch normalisation subtracts the biases of the convolutions again,
    so they go into the running means; the difference of the epsilons goes
    into the running variances.
    """
    require_variant(
        model,
        list(KERAS_APPLICATIONS),
        "keras.applications' ResNets have the stride of a bottleneck in its "
        "first 1x1 convolution and a max pooling with padding",
    )
    for entry in [e for e in state if e.endswith("_conv/bias")]:
        norm = entry.replace("_conv/bias", "_bn/moving_mean")
        state = _without_bias(state, entry, norm)
    state = {
        entry: value + (KERAS_EPSILON - EPSILON) if entry.endswith("/moving_variance") else value
        for entry, value in state.items()
    }
    names = {"conv1": "conv1_conv", "conv1_bn": "conv1_bn", "fc": "predictions"}
    for layer in model.layers:
        if match := _OURS.fullmatch(layer.name):
            stage, index, part, norm = match.groups()
            place = 0 if part == "shortcut" else " abc".find(part)
            names[layer.name] = f"conv{stage}_block{index}_{place}{norm or '_conv'}"
    assign_keras(model, state, names)


def _without_bias(state: State, bias: str, mean: str) -> State:
    """Normalising x + bias by `mean` is normalising x by mean - bias."""
    if bias not in state or mean not in state:
        return state
    rest = {entry: value for entry, value in state.items() if entry != bias}
    return rest | {mean: state[mean] - state[bias]}


def torch_names(model: keras.Model, *, classifier: str = "fc") -> dict[str, str]:
    """What torchvision's ResNet class calls our layers; its descendants too."""
    names = {"conv1": "conv1", "conv1_bn": "bn1", "fc": classifier}
    for layer in model.layers:
        if match := _OURS.fullmatch(layer.name):
            stage, index, part, norm = match.groups()
            theirs = f"{'bn' if norm else 'conv'}{' abc'.find(part)}"
            if part == "shortcut":
                theirs = "downsample.1" if norm else "downsample.0"
            names[layer.name] = f"layer{int(stage) - 1}.{int(index) - 1}.{theirs}"
    return names


PREPROCESSING = {
    "torchvision": torchvision(256, 224),  # IMAGENET1K_V1
    "torchvision_232": torchvision(232, 224),  # IMAGENET1K_V2
    # Cadene, models/cafferesnet.py: BGR, 0 .. 255, std 1; utils.TransformImage:
    # Resize(224 / 0.875), the shorter side that the authors test at (readme of
    # KaimingHe/deep-residual-networks). They subtract a mean image, which is a
    # file of its own; its mean is within 0.4 of these.
    "caffe": Preprocessing(
        normalize=SubtractMeanPixel(order="BGR", mean=(102.9801, 115.9465, 122.7717)),
        test_transforms=torchvision_frame(256, 224),
    ),
    "keras": KERAS_CAFFE,
}
LAYOUTS = {
    "torchvision": from_torchvision,
    "torchvision_232": from_torchvision,
    "caffe": from_caffe,
    "keras": from_keras,
}
