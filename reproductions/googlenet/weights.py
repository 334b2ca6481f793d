"""Weights of other GoogLeNets into ours; refusals are RunErrors, as assign_torch's."""

import keras

from common.data.transforms import Squash, SubtractMeanPixel
from common.models.preprocessing import Preprocessing
from common.models.weight_import import (
    State,
    assign_torch,
    main_head,
    require_variant,
)
from reproductions.googlenet.model import MODULES


def from_caffe(state: State, model: keras.Model) -> None:
    """Takes a bvlc_googlenet's "inception_3a/5x5_reduce.weight" ..., for a plain conv1.

    Colour channels stay in the file's order: the released model was trained
    on BGR images. A state without any entry of the auxiliary classifiers
    ("loss1/...", "loss2/..."; Caffe's deploy network has none) leaves ours as
    they are; one with some of them must have all.
    """
    require_variant(
        model, ("bvlc_googlenet", "googlenet"), "Caffe's GoogLeNet has a plain 7x7 conv1"
    )
    if not any(entry.startswith(("loss1/", "loss2/")) for entry in state):
        model = main_head(model)
    names = {
        "conv1_7x7": "conv1/7x7_s2",
        "conv2_3x3_reduce": "conv2/3x3_reduce",
        "conv2_3x3": "conv2/3x3",
        "classifier": "loss3/classifier",
    }
    for module in MODULES:
        for branch in ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj"):
            names[f"inception_{module}_{branch}"] = f"inception_{module}/{branch}"
    for head in (1, 2):
        for part in ("conv", "fc", "classifier"):
            names[f"aux{head}_{part}"] = f"loss{head}/{part}"
    assign_torch(model, state, names)


# BVLC, bvlc_googlenet/train_val.prototxt: mean_value 104, 117 and 123, of blue,
# green and red. Images are squashed to 256x256 as Caffe's other networks' are
# (create_imagenet.sh), bilinear between the nearest pixels.
PREPROCESSING = {
    "caffe": Preprocessing(
        normalize=SubtractMeanPixel(order="BGR", mean=(104.0, 117.0, 123.0)),
        test_transforms=(Squash(256, "bilinear"),),
    )
}
LAYOUTS = {"caffe": from_caffe}
