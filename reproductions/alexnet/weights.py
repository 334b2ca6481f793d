"""Weights of other AlexNets into ours."""

import keras
import numpy as np

from common.errors import RunError

CONVOLUTIONS = ("conv1", "conv2", "conv3", "conv4", "conv5")
DENSE = ("fc6", "fc7", "fc8")


def from_caffe(state: dict[str, np.ndarray], model: keras.Model) -> None:
    """Sets the model's weights from a Caffe AlexNet's.

    Colour channels stay in the file's order: the released Caffe models were
    trained on BGR images. A network that halves its hidden outputs at test
    time gets fc7 and fc8 doubled, and so the same logits.

    Args:
        state: LAYER.weight and LAYER.bias; convolutions (out, in / groups,
            height, width), dense (out, in) with fc6's inputs ordered
            (map, row, column).
        model: Any form of our AlexNet.

    Raises:
        RunError: if an entry is missing, unknown, or of another shape.
    """
    _check_names(state)
    for name in (*CONVOLUTIONS, *DENSE):
        layer, kernel = model.get_layer(name), state[f"{name}.weight"]
        if name in CONVOLUTIONS:
            kernel = kernel.transpose(2, 3, 1, 0)
        else:
            kernel = _dense_kernel(name, kernel, model)
        _assign(layer.kernel, kernel, f"{name}.weight")
        _assign(layer.bias, state[f"{name}.bias"], f"{name}.bias")


def _dense_kernel(name, kernel, model):
    if name == "fc6":
        _, height, width, maps = model.get_layer("pool5").output.shape
        if kernel.shape[1] == height * width * maps:
            kernel = kernel.reshape(-1, maps, height, width)
            kernel = kernel.transpose(0, 2, 3, 1).reshape(len(kernel), -1)
    halves = {layer.name for layer in model.layers} & {"halve6", "halve7"}
    doubled = {"fc7": "halve6", "fc8": "halve7"}.get(name) in halves
    return kernel.T * np.float32(2 if doubled else 1)


def _check_names(state) -> None:
    layers = (*CONVOLUTIONS, *DENSE)
    wanted = {f"{n}.{part}" for n in layers for part in ("weight", "bias")}
    if set(state) != wanted:
        missing, unknown = wanted - set(state), set(state) - wanted
        raise RunError(
            "These are not the weights of a Caffe AlexNet. Missing: "
            f"{', '.join(sorted(missing)) or 'nothing'}; unknown: "
            f"{', '.join(sorted(unknown)) or 'nothing'}."
        )


def _assign(variable, value, entry: str) -> None:
    if tuple(variable.shape) != value.shape:
        raise RunError(
            f"{entry} has the shape {value.shape} (in our order), the network "
            f"{tuple(variable.shape)}: it belongs to another network, image "
            "size or number of classes."
        )
    variable.assign(value)
