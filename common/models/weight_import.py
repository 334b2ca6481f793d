"""Other implementations' weights, put into our networks.

A paper's weights.py says which of our layers is which of theirs; what differs between the
frameworks' layouts is here.
"""

import functools
import pathlib
import re
from collections.abc import Callable, Sequence, Set
from typing import Any

import h5py
import keras
import numpy as np

from common.errors import RunError
from common.models.fully_convolutional import flattened_map
from common.models.state_dicts import State

Shapes = dict[str, list[tuple[int, ...]]]  # of layers' weights, by the layers' names
_TORCH_NAMES = {  # all others are "weight"
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def assign_torch(model: keras.Model, state: State, prefixes: dict[str, str]) -> None:
    """Sets every weight of `model` from a state dict in torch's layout, which is Caffe's, too.

    Args:
        state: PREFIX.weight, PREFIX.bias, PREFIX.running_mean, PREFIX.running_var;
            `num_batches_tracked` is ignored. Convolutions (out, in / groups, height, width), dense
            (out, in), with maps flattened as (maps, height, width), ours as (height, width, maps).
        prefixes: Our layer's name -> PREFIX, for every layer with weights.

    Raises:
        RunError: if an entry is missing, left over, or of another shape; nothing is set then.
    """
    wanted = {}
    for layer in _weighted(model):
        for variable in layer.variables:
            entry, adapt = _TORCH_NAMES.get(variable.name, "weight"), np.asarray
            if variable.name == "kernel":
                adapt = functools.partial(_kernel_from_torch, layer)
            wanted[f"{prefixes[layer.name]}.{entry}"] = (variable, adapt)
    state = {e: v for e, v in state.items() if not e.endswith("num_batches_tracked")}
    _assign(model, state, wanted)


def assign_keras(model: keras.Model, state: State, prefixes: dict[str, str]) -> None:
    """Sets every weight of `model` from another Keras model's.

    Args:
        state: PREFIX/kernel and so on, as common.models.state_dicts.of_keras gives.
        prefixes: Our layer's name -> their layer's, for all with weights.

    Raises:
        RunError: as assign_torch.
    """
    wanted = {
        f"{prefixes[layer.name]}/{variable.name}": (variable, np.asarray)
        for layer in _weighted(model)
        for variable in layer.variables
    }
    _assign(model, state, wanted)


def copy_layers(
    source: keras.Model,
    model: keras.Model,
    pattern: str,
    renamed: Callable[[str], str] | None = None,
) -> list[str]:
    """Copies the layers of `source` whose names `pattern` matches wholly.

    `renamed`, if given, says what they are called in `model`.

    Returns:
        The names of the layers of `model` that were set.

    Raises:
        RunError: if `model` lacks one of them or has it in another shape, or if there is none.
    """
    chosen = [layer for layer in _weighted(source) if re.fullmatch(pattern, layer.name)]
    if not chosen:
        raise RunError(f"No layer of {source.name} matches {pattern!r}.")
    names = [renamed(x.name) if renamed else x.name for x in chosen]
    ours = {layer.name: layer for layer in model.layers}
    shapes = {x: [tuple(v.shape) for v in x.variables] for x in (*chosen, *ours.values())}
    for name, layer in zip(names, chosen, strict=True):
        if name not in ours or shapes[layer] != shapes[ours[name]]:
            raise RunError(
                f"{model.name} cannot begin with {source.name}'s {layer.name}: it has no layer "
                f"{name} of these shapes, {shapes[layer]}."
            )
    for name, layer in zip(names, chosen, strict=True):
        ours[name].set_weights(layer.get_weights())
    return names


def read_layers(file: pathlib.Path, read: Callable = np.asarray) -> dict[str, list]:
    """Layer's name -> its weights in their order, of a file that Keras 3 wrote.

    Args:
        read: What is kept of a weight, an h5py.Dataset: all of it, or its shape.

    Raises:
        RunError: if it is no such file.
    """
    layers = {}

    def collect(path: str, item: Any) -> None:
        if path.endswith("vars") and len(item):
            layers[str(item.attrs["name"])] = [read(item[str(i)]) for i in range(len(item))]

    try:
        with h5py.File(file) as opened:
            opened["layers"].visititems(collect)
    except (OSError, KeyError) as error:
        raise RunError(
            f"{file} cannot be read as weights by their layers' names ({error}): it must be a "
            "file that a training or import wrote."
        ) from error
    return layers


def require_same_layers(file: pathlib.Path, name: str, there: Shapes, here: Shapes) -> None:
    """Checks that a file has just the layers that the network `name` takes from it.

    Raises:
        RunError: naming what is missing, unknown, or of other shapes.
    """
    odd = {layer for layer in here if layer in there and there[layer] != here[layer]}
    if there.keys() == here.keys() and not odd:
        return
    shapes = [f" ({one} is {there[one]} there, {here[one]} here)" for one in sorted(odd)]
    raise RunError(
        f"{file} has the weights of another network than {name}, or of another image size. "
        f"Missing: {_first_four(here.keys() - there.keys())}; unknown: "
        f"{_first_four(there.keys() - here.keys())}; of another shape: {_first_four(odd)}"
        f"{''.join(shapes[:1])}."
    )


def require_variant(model: keras.Model, fitting: Sequence[str], why: str) -> None:
    """Refuses a network that would take the weights, and compute something else.

    Args:
        fitting: The variants that the weights are for.
        why: What tells these from others, of the size of a clause.

    Raises:
        RunError: naming the fitting variants, those of the model's depth if there are any.
    """
    if model.name in fitting:
        return
    depth = re.search(r"\d+", model.name)
    same = [variant for variant in fitting if depth and depth[0] in variant]
    raise RunError(
        f"{model.name} would not compute what these weights were trained for: {why}. Import them "
        f"into {', '.join(same or fitting)}."
    )


def main_head(model: keras.Model) -> keras.Model:
    """The network without its auxiliary heads."""
    return keras.Model(model.input, model.outputs[0], name=model.name)


def numbered_layers(state: State, model: keras.Model, ours: Sequence[str]) -> dict[str, str]:
    """Our layer's name -> the automatic name that keras.applications gave it.

    The numbers give the order of building, from whatever number on.

    Args:
        ours: Our convolutions in the order of building; each is followed by NAME_bn.

    Raises:
        RunError: if they have another number of them.
    """
    numbers: dict[str, set[int]] = {"conv2d": set(), "batch_normalization": set()}
    for entry in state:
        if match := re.fullmatch(r"(conv2d|batch_normalization)(?:_(\d+))?/\w+", entry):
            numbers[match[1]].add(int(match[2] or 0))
    names = {}
    for kind, suffix in (("conv2d", ""), ("batch_normalization", "_bn")):
        if len(numbers[kind]) != len(ours):
            raise RunError(
                f"These are not the weights of {model.name}: they have {len(numbers[kind])} layers "
                f"{kind}, it has {len(ours)}."
            )
        for number, name in zip(sorted(numbers[kind]), ours, strict=True):
            names[name + suffix] = f"{kind}_{number}" if number else kind
    return names


def unit_scales(model: keras.Model, names: dict[str, str]) -> State:
    """PREFIX/gamma -> ones, for networks whose batch normalisation has no scale."""
    return {
        f"{names[layer.name]}/gamma": np.ones(layer.gamma.shape, "float32")
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }


def _weighted(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if layer.weights]


def _kernel_from_torch(layer: keras.layers.Layer, kernel: np.ndarray) -> np.ndarray:
    if isinstance(layer, keras.layers.Dense) and kernel.ndim > 1:
        kernel = kernel.reshape(len(kernel), -1)
        height, width, maps = flattened_map(layer) or (1, 1, kernel.shape[1])
        if kernel.shape[1] == height * width * maps:
            kernel = kernel.reshape(-1, maps, height, width).transpose(0, 2, 3, 1)
        return kernel.reshape(len(kernel), -1).T
    return kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel


def _first_four(names: Set[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return (", ".join(sorted(names)[:4]) or "nothing") + more


def _assign(model: keras.Model, state: State, wanted: dict[str, tuple[Any, Callable]]) -> None:
    missing, unknown = set(wanted) - set(state), set(state) - set(wanted)
    if missing or unknown:
        raise RunError(
            f"These are not the weights of {model.name}. Missing: {_first_four(missing)}; "
            f"unknown: {_first_four(unknown)}."
        )
    values = [(variable, entry, adapt(state[entry])) for entry, (variable, adapt) in wanted.items()]
    for variable, entry, value in values:
        if tuple(variable.shape) != value.shape:
            raise RunError(
                f"{entry} has the shape {value.shape} (in our order), {model.name} has "
                f"{tuple(variable.shape)}: it belongs to another network, image size or number of "
                "classes."
            )
    for variable, _, value in values:
        variable.assign(value)
