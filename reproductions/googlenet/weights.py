"""Weights of other GoogLeNets into ours."""

import keras

from common.data.transforms import Squash, SubtractMeanPixel
from common.errors import RunError
from common.models.preprocessing import Preprocessing
from common.models.weight_import import State, assign_torch
from reproductions.googlenet.model import MODULES

_BRANCHES = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
_AUXILIARY = {"aux1": "loss1", "aux2": "loss2"}


def from_caffe(state: State, model: keras.Model) -> None:
    """Sets the model's weights from a bvlc_googlenet's.

    Colour channels stay in the file's order: the released model was trained
    on BGR images. A state without any entry of the auxiliary classifiers
    ("loss1/...", "loss2/..."; Caffe's deploy network has none) leaves ours as
    they are; one with some of them must have all.

    Args:
        state: LAYER.weight and LAYER.bias, as common.models.weight_import.assign_torch
            takes them, by Caffe's names: "inception_3a/5x5_reduce.weight".
        model: Any variant with a plain conv1.

    Raises:
        RunError: if an entry is missing, unknown, or of another shape, or if
            the model's conv1 is separable.
    """
    if model.name == "googlenet_separable":
        raise RunError(
            "Caffe's GoogLeNet has a plain 7x7 conv1, googlenet_separable has "
            "a separable one: import these weights into bvlc_googlenet or "
            "googlenet."
        )
    if not any(entry.startswith(("loss1/", "loss2/")) for entry in state):
        model = keras.Model(model.input, model.outputs[0], name=model.name)
    flattened = {}
    for layer in model.layers:
        if layer.name in ("aux1_fc", "aux2_fc"):
            pool = model.get_layer(layer.name.replace("_fc", "_conv"))
            height, width, maps = pool.output.shape[1:]
            flattened[layer.name] = (maps, height, width)
    assign_torch(model, state, _prefixes(), flattened=flattened)


def _prefixes() -> dict[str, str]:
    """Our layer's name -> Caffe's."""
    names = {
        "conv1_7x7": "conv1/7x7_s2",
        "conv2_3x3_reduce": "conv2/3x3_reduce",
        "conv2_3x3": "conv2/3x3",
        "classifier": "loss3/classifier",
    }
    for module in MODULES:
        for branch in _BRANCHES:
            ours = f"inception_{module}_{branch}"
            names[ours] = f"inception_{module}/{branch}"
    for ours, theirs in _AUXILIARY.items():
        for part in ("conv", "fc", "classifier"):
            names[f"{ours}_{part}"] = f"{theirs}/{part}"
    return names


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
