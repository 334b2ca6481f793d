"""Initialisation by insertion: a network that grows keeps what it learned.

A module of a higher order keeps the layers of its first-order term under
their names, so `copy_layers` and InitializeFrom(layers=".*") insert the new
paths. More modules are interleaved with the old ones: the old modules get new
numbers, which is what `grown_name` says.
"""

import re
from collections.abc import Mapping

import keras

from common.errors import RunError

_OF_MODULE = re.compile(r"stage_([abc])_(\d+)_(.+)")


def interleaved(before: int, after: int) -> tuple[int, ...]:
    """The places of `before` old modules among `after`, both counted from 1.

    Evenly spread, the first stays first: 3 among 6 have 1, 3 and 5.

    Raises:
        RunError: if there are fewer places than modules.
    """
    if after < before:
        raise RunError(f"{before} modules cannot grow into {after}.")
    return tuple(i * after // before + 1 for i in range(before))


def grown_name(
    layer: str, before: Mapping[str, int], after: Mapping[str, int]
) -> str:
    """What a layer is called in a network of more modules.

    Args:
        layer: Its name in the smaller network.
        before: That network's modules in stages "a", "b" and "c".
        after: Those of the larger one.
    """
    match = _OF_MODULE.fullmatch(layer)
    if not match:  # stem, reductions, fc
        return layer
    stage, number, rest = match.groups()
    place = interleaved(before[stage], after[stage])[int(number) - 1]
    return f"stage_{stage}_{place}_{rest}"


def modules(model: keras.Model) -> dict[str, int]:
    """How many modules stages "a", "b" and "c" of a network have."""
    found = filter(None, (_OF_MODULE.fullmatch(x.name) for x in model.layers))
    counts: dict[str, int] = {}
    for stage, number, _ in (match.groups() for match in found):
        counts[stage] = max(counts.get(stage, 0), int(number))
    return counts


def grow(small: keras.Model, large: keras.Model) -> list[str]:
    """Copies every weight of `small` to its place in `large`.

    Returns:
        The layers of `large` that are new, and keep their initial weights.

    Raises:
        RunError: if `large` lacks one of the layers, or has it in another
            shape; nothing is copied then.
    """
    before, after = modules(small), modules(large)
    theirs = {layer.name: layer for layer in large.layers if layer.weights}
    pairs = {}
    for layer in small.layers:
        if not layer.weights:
            continue
        name = grown_name(layer.name, before, after)
        shapes = [tuple(v.shape) for v in layer.variables]
        found = theirs.get(name)
        if not found or shapes != [tuple(v.shape) for v in found.variables]:
            raise RunError(
                f"{small.name} cannot grow into {large.name}, which has no "
                f"layer {name} of the shapes {shapes}."
            )
        pairs[name] = (layer, found)
    for layer, found in pairs.values():
        found.set_weights(layer.get_weights())
    return [name for name in theirs if name not in pairs]
