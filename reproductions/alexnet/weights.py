"""Weights of other AlexNets into ours; refusals are RunErrors, as assign_torch's."""

import keras

from common.data.transforms import Squash, SubtractMeanPixel
from common.models.preprocessing import Preprocessing
from common.models.weight_import import State, assign_torch, require_variant

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")


def from_caffe(state: State, model: keras.Model) -> None:
    """Takes LAYER.weight and LAYER.bias of Caffe's AlexNet or CaffeNet.

    Colour channels stay in the file's order: the released Caffe models were
    trained on BGR images.
    """
    require_variant(
        model,
        ("bvlc_alexnet", "caffenet"),
        "Caffe's networks have other constants in their response normalisation than the paper's, "
        "and are for ImageNet",
    )
    assign_torch(model, state, {layer: layer for layer in LAYERS})


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
