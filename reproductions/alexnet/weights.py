"""Weights of other AlexNets into ours; refusals are RunErrors, as assign_torch's."""

import keras
import numpy as np

from common.data.transforms import Squash, SubtractMeanPixel
from common.errors import RunError
from common.models.preprocessing import Preprocessing
from common.models.weight_import import State, assign_torch

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")


def from_caffe(state: State, model: keras.Model) -> None:
    """Takes a Caffe AlexNet's LAYER.weight and LAYER.bias; for any of our forms for ImageNet.

    Colour channels stay in the file's order: the released Caffe models were
    trained on BGR images. A network that halves its hidden outputs at test
    time gets fc7 and fc8 doubled, and so the same logits.
    """
    names = {layer.name for layer in model.layers}
    if "pool5" not in names:
        raise RunError(
            f"Caffe's AlexNets are networks for ImageNet, and {model.name} is "
            "another one, for CIFAR-10. Import their weights into "
            "bvlc_alexnet or caffenet."
        )
    for layer, halved in (("fc7", "halve6"), ("fc8", "halve7")):
        entry = f"{layer}.weight"
        if halved in names and entry in state:
            state = state | {entry: state[entry] * np.float32(2)}
    names = {layer: layer for layer in LAYERS}
    assign_torch(model, state, names)


# Caffe trains and tests on images squashed to 256x256 (create_imagenet.sh),
# minus a mean image, which is a file of its own and not in the weights; its
# readers are shown the mean of that over all pixels (00-classification.ipynb).
# Resized as caffe.io.resize_image: bilinear between the nearest pixels.
PREPROCESSING = {
    "caffe": Preprocessing(
        normalize=SubtractMeanPixel(
            order="BGR", mean=(104.0069879317889, 116.66876761696767, 122.6789143406786)
        ),
        test_transforms=(Squash(256, "bilinear"),),
    )
}
LAYOUTS = {"caffe": from_caffe}
