"""Weights of other implementations of VGG into ours.

Published weights keep the colours and the scale of the pixels that they were
trained on: see PREPROCESSING. Refusals are RunErrors, as assign_torch's.
"""

import keras

from common.models.preprocessing import CAFFE_PIXELS, KERAS_CAFFE, Preprocessing, torchvision
from common.models.weight_import import (
    State,
    assign_keras,
    assign_torch,
    require_variant,
)
from reproductions.vgg.forms import COLUMNS

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
    """Takes torchvision's vgg11, 13, 16 or 19, without _bn, for A, B, D and E."""
    _require_configuration(model, "torchvision")
    prefixes, place = {}, 0
    for layer in model.layers:  # convolution and ReLU take two places, pooling one
        if isinstance(layer, keras.layers.Conv2D):
            prefixes[layer.name] = f"features.{place}"
            place += 2
        elif isinstance(layer, keras.layers.MaxPooling2D):
            place += 1
    # Linear, ReLU, Dropout; Linear, ReLU, Dropout; Linear
    prefixes |= {name: f"classifier.{3 * i}" for i, name in enumerate(DENSE)}
    assign_torch(model, state, prefixes)


def from_keras(state: State, model: keras.Model) -> None:
    """Takes keras.applications' VGG16 or VGG19, for D and E: block1_conv1/kernel ..."""
    _require_configuration(model, "keras")
    prefixes = {
        layer.name: f"block{layer.name[4]}_conv{layer.name[6]}"
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    theirs = ("fc1", "fc2", "predictions")
    assign_keras(model, state, prefixes | dict(zip(DENSE, theirs, strict=True)))


def from_caffe(state: State, model: keras.Model) -> None:
    """Takes the authors' 16 or 19 layers, for D and E: conv1_1.weight, fc8.bias ..."""
    _require_configuration(model, "caffe")
    prefixes = {layer.name: layer.name for layer in model.layers}
    assign_torch(model, state, prefixes)


def _require_configuration(model: keras.Model, layout: str) -> None:
    published = PUBLISHED[layout]
    require_variant(
        model,
        [variant for variant, column in COLUMNS.items() if column in published],
        f"weights in the layout {layout!r} are those of configurations {', '.join(published)}, "
        f"and it is configuration {COLUMNS[model.name]} of VGG",
    )


PREPROCESSING = {
    "torchvision": torchvision(256, 224),  # IMAGENET1K_V1
    "keras": KERAS_CAFFE,
    # The readme of the release; how it is tested is what the paper says.
    "caffe": Preprocessing(normalize=CAFFE_PIXELS, test_transforms=None),
}
LAYOUTS = {"torchvision": from_torchvision, "keras": from_keras, "caffe": from_caffe}
