"""Weights of other implementations of VGG into ours.

Published weights keep the colours and the scale of the pixels that they were
trained on: see PREPROCESSING.
"""

from collections.abc import Iterator

import keras

from common.errors import RunError
from common.models.preprocessing import (
    CAFFE_PIXELS,
    KERAS_CAFFE,
    Preprocessing,
    torchvision,
)
from common.models.weight_import import State, assign_keras, assign_torch
from reproductions.vgg.model import COLUMNS

DENSE = ("fc6", "fc7", "fc8")
KERAS_CLASSES = {"D": "VGG16", "E": "VGG19"}
KERAS_APPLICATIONS = {
    variant: KERAS_CLASSES[column] for variant, column in COLUMNS.items() if column in KERAS_CLASSES
}
# Configurations that each has; a state dict of A fits A-LRN as well, and
# would give other logits.
PUBLISHED = {
    "torchvision": ("A", "B", "D", "E"),
    "keras": tuple(KERAS_CLASSES),
    "caffe": ("D", "E"),
}


def from_torchvision(state: State, model: keras.Model) -> None:
    """Sets the model's weights from torchvision's vgg11, 13, 16 or 19.

    Args:
        state: features.N.weight, classifier.N.bias and so on, as
            common.models.weight_import.assign_torch takes them; not of the _bn networks.
        model: A, B, D or E of ours.

    Raises:
        RunError: if there is no such network, or an entry is missing, unknown
            or of another shape.
    """
    _check(model, "torchvision")
    prefixes = dict(_features(model))
    # Linear, ReLU, Dropout; Linear, ReLU, Dropout; Linear
    prefixes |= {d: f"classifier.{3 * i}" for i, d in enumerate(DENSE)}
    assign_torch(model, state, prefixes, flattened=_flattened(model))


def _features(model: keras.Model) -> Iterator[tuple[str, str]]:
    """(conv, features.N): convolution and ReLU take two places, pooling one."""
    place = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            yield layer.name, f"features.{place}"
            place += 2
        elif isinstance(layer, keras.layers.MaxPooling2D):
            place += 1


def from_keras(state: State, model: keras.Model) -> None:
    """Sets the model's weights from keras.applications' VGG16 or VGG19.

    Args:
        state: block1_conv1/kernel, fc1/bias, predictions/kernel and so on, as
            common.models.weight_import.assign_keras takes them.
        model: D or E of ours.

    Raises:
        RunError: as from_torchvision.
    """
    _check(model, "keras")
    prefixes = {name: f"block{name[4]}_conv{name[6]}" for name in _convolutions(model)}
    theirs = ("fc1", "fc2", "predictions")
    assign_keras(model, state, prefixes | dict(zip(DENSE, theirs, strict=True)))


def from_caffe(state: State, model: keras.Model) -> None:
    """Sets the model's weights from the authors' 16 or 19 layers.

    Args:
        state: conv1_1.weight, fc8.bias and so on, as
            common.models.weight_import.assign_torch takes them.
        model: D or E of ours.

    Raises:
        RunError: as from_torchvision.
    """
    _check(model, "caffe")
    prefixes = {name: name for name in (*_convolutions(model), *DENSE)}
    assign_torch(model, state, prefixes, flattened=_flattened(model))


def _convolutions(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def _flattened(model: keras.Model) -> dict[str, tuple[int, int, int]]:
    height, width, maps = model.get_layer("pool5").output.shape[1:]
    return {"fc6": (maps, height, width)}


def _check(model: keras.Model, layout: str) -> None:
    column, published = COLUMNS[model.name], PUBLISHED[layout]
    if column not in published:
        fitting = [v for v, c in COLUMNS.items() if c in published]
        raise RunError(
            f"{model.name} is configuration {column} of VGG, and weights in "
            f"the layout {layout!r} are those of configurations "
            f"{', '.join(published)}. Import them into one of: "
            f"{', '.join(fitting)}."
        )


PREPROCESSING = {
    "torchvision": torchvision(256, 224),  # IMAGENET1K_V1
    "keras": KERAS_CAFFE,
    # The readme of the release; how it is tested is what the paper says.
    "caffe": Preprocessing(normalize=CAFFE_PIXELS, test_transforms=None),
}
LAYOUTS = {
    "torchvision": from_torchvision,
    "keras": from_keras,
    "caffe": from_caffe,
}
