"""Weights of other ResNeXts into ours."""

import re

import keras

from common.errors import RunError
from common.weights import State, assign_torch
from reproductions.resnet.weights import torch_names
from reproductions.resnext.model import FORMS

_THEIRS = re.compile(r"layer(\d)\.(\d+)\.conv2\.weight")


def from_torchvision(state: State, model: keras.Model) -> None:
    """Sets the weights from torchvision's ResNeXts, or of its layout.

    Args:
        state: layer1.0.conv1.weight and so on, as
            common.weights.assign_torch takes them.
        model: Of ImageNet, with the template and the depth of the weights;
            torchvision itself has 50 layers of 32x4d and 101 of 64x4d.

    Raises:
        RunError: if the model has another template or depth or is one for
            CIFAR-10, or an entry is missing, unknown, or of another shape.
    """
    _check_variant(state, model)
    assign_torch(model, state, torch_names(model))


def _check_variant(state: State, model: keras.Model) -> None:
    """Says which variant the weights are for, if it is not this one."""
    form = FORMS[model.name]
    if form.small_images:
        raise RunError(
            f"{model.name} is a network for CIFAR-10; torchvision's ResNeXts "
            "are for ImageNet. Import them into resnext50_32x4d or "
            "resnext101_64x4d."
        )
    blocks, cardinality, width = _template(state)
    if (blocks, cardinality, width) in (
        (0, 0, 0),  # of something else: assign_torch lists what is missing
        (sum(form.blocks), form.cardinality, form.width),
    ):
        return
    right = [
        name
        for name, known in FORMS.items()
        if not known.small_images
        and (sum(known.blocks), known.cardinality, known.width)
        == (blocks, cardinality, width)
    ]
    advice = (
        f"Import them into {right[0]}."
        if right
        else "The paper has no such network."
    )
    raise RunError(
        f"These weights are of {3 * blocks + 2} layers of {cardinality}x"
        f"{width}d, {model.name} is another network. {advice}"
    )


def _template(state: State) -> tuple[int, int, int]:
    """(blocks, cardinality, width) of a state; zeros if it has no such blocks.

    A grouped 3x3 convolution of C x d has the shape (C d, d, 3, 3).
    """
    blocks = sum(_THEIRS.fullmatch(entry) is not None for entry in state)
    first = state.get("layer1.0.conv2.weight")
    bottlenecks = "layer1.0.conv3.weight" in state
    if first is None or first.ndim != 4 or not bottlenecks:
        return 0, 0, 0
    maps, width = first.shape[:2]
    return blocks, maps // width, width


LAYOUTS = {"torchvision": from_torchvision}
