"""Other implementations' weights, put into our networks.

A paper's weights.py says which of our layers is which of theirs; what differs
between the frameworks' layouts is here.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from common.errors import RunError
from common.models.state_dicts import State

_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def assign_torch(
    model: keras.Model,
    state: State,
    prefixes: dict[str, str],
    *,
    flattened: dict[str, tuple[int, int, int]] | None = None,
) -> None:
    """Sets every weight of `model` from a state dict in torch's layout.

    Caffe's arrays have the same layout.

    Args:
        state: PREFIX.weight, PREFIX.bias, PREFIX.running_mean,
            PREFIX.running_var; `num_batches_tracked` is ignored.
            Convolutions (out, in / groups, height, width), dense (out, in).
        prefixes: Our layer's name -> PREFIX, for every layer with weights.
        flattened: Our dense layer's name -> (maps, height, width) that theirs
            flattens in this order, where ours has (height, width, maps).

    Raises:
        RunError: if an entry is missing, left over, or of another shape;
            nothing is set then.
    """
    shapes = flattened or {}
    wanted = {}
    for layer, prefix in _layers(model, prefixes):
        for variable in layer.variables:
            entry, adapt = _torch(layer, variable.name, shapes.get(layer.name))
            wanted[f"{prefix}.{entry}"] = (variable, adapt)
    left_out = {e for e in state if e.endswith("num_batches_tracked")}
    _assign(model, {e: v for e, v in state.items() if e not in left_out}, wanted)


def assign_keras(model: keras.Model, state: State, prefixes: dict[str, str]) -> None:
    """Sets every weight of `model` from another Keras model's.

    Args:
        state: PREFIX/kernel and so on, as common.models.state_dicts.of_keras gives.
        prefixes: Our layer's name -> their layer's, for all with weights.

    Raises:
        RunError: as assign_torch.
    """
    wanted = {
        f"{prefix}/{variable.name}": (variable, np.asarray)
        for layer, prefix in _layers(model, prefixes)
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
        RunError: if `model` lacks one of them or has it in another shape, or
            if there is none.
    """
    chosen = [
        layer for layer in source.layers if layer.weights and re.fullmatch(pattern, layer.name)
    ]
    if not chosen:
        raise RunError(f"No layer of {source.name} matches {pattern!r}.")
    names = [renamed(x.name) if renamed else x.name for x in chosen]
    ours = {layer.name: layer for layer in model.layers}
    for name, layer in zip(names, chosen, strict=True):
        shapes = _shapes(layer)
        if name not in ours or shapes != _shapes(ours[name]):
            raise RunError(
                f"{model.name} cannot begin with {source.name}'s "
                f"{layer.name}: it has no layer {name} of these shapes, "
                f"{shapes}."
            )
    for name, layer in zip(names, chosen, strict=True):
        ours[name].set_weights(layer.get_weights())
    return names


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(variable.shape) for variable in layer.variables]


def _layers(
    model: keras.Model, prefixes: dict[str, str]
) -> Iterator[tuple[keras.layers.Layer, str]]:
    for layer in model.layers:
        if layer.weights:
            yield layer, prefixes[layer.name]


def _torch(
    layer: keras.layers.Layer, name: str, flattened: tuple | None
) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """(what torch calls this weight, from its layout to ours)."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return _NORM[name], np.asarray
    if name == "bias":
        return "bias", np.asarray
    if isinstance(layer, keras.layers.Dense):
        return "weight", lambda kernel: _dense(kernel, flattened)
    return "weight", _convolution


def _convolution(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel


def _dense(kernel: np.ndarray, flattened: tuple | None) -> np.ndarray:
    if kernel.ndim < 2:
        return kernel
    if flattened and kernel.shape[1] == np.prod(flattened):
        kernel = kernel.reshape(-1, *flattened).transpose(0, 2, 3, 1)
    return kernel.reshape(len(kernel), -1).T


def _assign(model: keras.Model, state: State, wanted: dict[str, tuple[Any, Callable]]) -> None:
    if set(state) != set(wanted):
        raise RunError(
            f"These are not the weights of {model.name}. Missing: "
            f"{_some(set(wanted) - set(state))}; unknown: "
            f"{_some(set(state) - set(wanted))}."
        )
    values = {entry: adapt(state[entry]) for entry, (_, adapt) in wanted.items()}
    for entry, (variable, _) in wanted.items():
        value = values[entry]
        if tuple(variable.shape) != value.shape:
            raise RunError(
                f"{entry} has the shape {value.shape} (in our order), "
                f"{model.name} has {tuple(variable.shape)}: it belongs to "
                "another network, image size or number of classes."
            )
    for entry, (variable, _) in wanted.items():
        variable.assign(values[entry])


def _some(names: set[str]) -> str:
    shown = sorted(names)[:4]
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return (", ".join(shown) or "nothing") + more
