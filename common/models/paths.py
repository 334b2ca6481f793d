"""The paths of a Keras graph: what comes one after the other, what in parallel.

What only accompanies a layer (batch normalisation, activation, padding,
dropout) is not drawn.
"""

import dataclasses
import re

import keras

from common.models.layer_table import calls_of

_ACCOMPANY = (
    keras.layers.Activation,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.InputLayer,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.Reshape,
    keras.layers.Softmax,
    keras.layers.ZeroPadding2D,
)
_POOLING = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box:
    """One layer, drawn.

    Two are equal if they look alike: the name does not count.

    Attributes:
        kind: "conv", "pool", "norm", "dense", "concat", "sum" or "other".
        what: In words, such as "3×3 conv", without its number of maps.
        filters: Maps or units that it makes itself, else None.
        strides: Rows and columns between windows; 1 where there are none.
        groups: Of a convolution.
        output: Shape without the batch.
        again: Whether its weights were used before, in the same network.
        towers: Into how many separate halves the layer falls.
    """

    name: str = dataclasses.field(compare=False)
    kind: str
    what: str
    filters: int | None
    strides: int
    groups: int
    output: tuple[int, ...]
    again: bool = False
    towers: int = 1


@dataclasses.dataclass(frozen=True)
class Parallel:
    """Paths between two layers.

    Attributes:
        paths: From left to right; each is what comes one after the other.
        identity: Whether another path has nothing in it.
        crossing: The layers have edges from path to path, and are all in one.
    """

    paths: tuple[tuple["Box | Parallel", ...], ...]
    identity: bool
    crossing: bool = False


Chain = tuple[Box | Parallel, ...]


def boxes_of(chain: Chain) -> list[Box]:
    """All of them, the last of the chain last."""
    found = []
    for part in chain:
        if isinstance(part, Box):
            found.append(part)
        else:
            found += [box for path in part.paths for box in boxes_of(path)]
    return found


class Paths:
    """Which of the drawn layers follow which.

    Attributes:
        order: Of the drawn layers, each after those it needs; "" is the image,
            "NAME@1" the second use of the layer NAME.
    """

    def __init__(self, model: keras.Model):
        self.order: list[str] = []
        self._before: dict[str, list[str]] = {}
        self._inputs: dict[str, list[str]] = {}  # of every layer, all layers
        self._boxes: dict[str, Box] = {}
        ends: dict[str, list[str]] = {}  # the drawn layers that a layer shows
        for call in calls_of(model.outputs):
            layer, use = call.operation, _use(call.outputs[0])
            inputs = [_use(tensor) for tensor in call.input_tensors]
            seen = [end for each in inputs for end in ends[each]]
            if isinstance(layer, keras.layers.InputLayer):
                ends[use], self._before[""] = [""], []
                self.order.append("")
                continue
            self._inputs.setdefault(layer.name, inputs)
            if isinstance(layer, _ACCOMPANY):
                ends[use] = seen
                continue
            ends[use] = [use]
            self.order.append(use)
            self._before[use] = seen
            self._boxes[use] = _box(layer, call)

    def chain(self, inside: list[str], first: str, last: str | None) -> Chain:
        """The layers between two, cut where everything passes through one.

        Args:
            inside: In the order of the graph, without the two.
            last: None if nothing follows.
        """
        place = {v: k for k, v in enumerate([first, *inside])}
        reach = [0] * len(place)  # how far the edges from a layer jump
        for k, v in enumerate([*inside, last] if last else inside, 1):
            for u in self._before[v]:
                if u in place and (u, v) != (first, last):
                    reach[place[u]] = k
        parts, waiting, start, far = [], [], first, reach[0]
        for k, v in enumerate(inside, 1):
            if far <= k:
                parts += [*self._between(waiting, start, v), self._boxes[v]]
                waiting, start = [], v
            else:
                waiting.append(v)
            far = max(far, reach[k])
        return (*parts, *self._between(waiting, start, last))

    def _between(self, inside: list[str], first: str, last: str | None) -> list[Parallel]:
        if not inside:
            return []
        groups = self._connected(inside)
        identity = first in self._before[last]
        if len(groups) == 1 and not identity:
            boxes = tuple(self._boxes[v] for v in inside)
            return [Parallel((boxes,), identity=False, crossing=True)]
        into = self._before[last]
        groups.sort(key=lambda g: min(into.index(v) for v in g if v in into))
        paths = [self.chain(group, first, last) for group in groups]
        if self._boxes[last].kind == "sum":  # what is short, on the right
            paths.sort(key=lambda path: -len(boxes_of(path)))
        return [Parallel(tuple(paths), identity=identity)]

    def _connected(self, inside: list[str]) -> list[list[str]]:
        """Groups of layers with edges between them, in the graph's order."""
        group_of: dict[str, list[str]] = {}
        for v in inside:
            merged = [v]
            for u in self._before[v]:
                if u in group_of and group_of[u] is not merged:
                    merged = group_of[u] + merged
                    for w in merged:
                        group_of[w] = merged
            group_of[v] = merged
        distinct = {id(group): group for group in group_of.values()}
        place = {v: k for k, v in enumerate(inside)}
        return [sorted(g, key=place.get) for g in distinct.values()]

    def side_branches(self, aside: list[str]) -> list[tuple[str, list[str]]]:
        """(the layer of the main path it begins at, layers) of each."""
        found = []
        for group in self._connected(aside):
            [start] = {u for v in group for u in self._before[v] if u not in group}
            found.append((start, group))
        return sorted(found, key=lambda side: self.order.index(side[0]))

    def owners(self, names: list[str], chains: list[Chain]) -> dict[str, int]:
        """Of every layer the place of its block; names decide on the rest.

        What is not drawn goes with the block whose name, or whose layer's
        name, its own begins with, or else with the layer before it.
        """
        begins = {name: k for k, name in enumerate(names)}
        drawn = {b.name: k for k, c in enumerate(chains) for b in boxes_of(c)}
        begins |= drawn
        owner: dict[str, int] = {}
        for layer, inputs in self._inputs.items():
            words = layer.split("_")
            heads = ["_".join(words[:n]) for n in range(len(words), 0, -1)]
            known = [begins[head] for head in heads if head in begins]
            before = owner.get(layer_of(inputs[0]), 0)
            owner[layer] = drawn.get(layer, known[0] if known else before)
        return owner


def layer_of(use: str) -> str:
    """The layer's name; see Paths.order."""
    return use.partition("@")[0]


def _use(tensor) -> str:
    layer, call, _ = tensor._keras_history
    return f"{layer.name}@{call}" if call else layer.name


def _box(layer: keras.layers.Layer, call) -> Box:
    output = tuple(call.outputs[0].shape[1:])
    kind, what, filters = _seen_as(layer, output)
    return Box(
        name=layer.name,
        kind=kind,
        what=what,
        filters=filters,
        strides=_strides(layer),
        groups=getattr(layer, "groups", 1) if kind == "conv" else 1,
        output=output,
        again=call is not layer._inbound_nodes[0],
    )


def _seen_as(layer: keras.layers.Layer, output: tuple[int, ...]) -> tuple[str, str, int | None]:
    """(kind, what, filters) of a Box."""
    made = output[-1]
    if isinstance(layer, keras.layers.Dense):
        return "dense", "fc", made
    if isinstance(layer, _POOLING):
        how = "max" if isinstance(layer, keras.layers.MaxPooling2D) else "mean"
        return "pool", f"{_square(layer.pool_size)} {how} pool", None
    if isinstance(layer, keras.layers.GlobalAveragePooling2D):
        return "pool", "global mean pool", None
    if isinstance(layer, keras.layers.Concatenate):
        return "concat", "concat", None
    own, name = _words(type(layer).__name__), type(layer).__name__
    if isinstance(layer, keras.layers.Conv2D) or "Conv2D" in name:
        size = _square(layer.kernel_size)
        plain = isinstance(layer, keras.layers.Conv2D)
        return "conv", f"{size} {'conv' if plain else own}", made
    if len(layer.input if isinstance(layer.input, list) else [0]) > 1:
        return "sum", "+", None
    if "ormalization" in name:
        return "norm", own, None
    return "other", own, made if layer.weights else None


def _words(name: str) -> str:
    """SparseConv2D as "sparse conv"."""
    return " ".join(re.findall("[A-Z][a-z]+", name)).lower()


def _square(size: int | tuple[int, ...]) -> str:
    sides = size if isinstance(size, tuple) else (size, size)
    return "×".join(map(str, sides))


def _strides(layer: keras.layers.Layer) -> int:
    strides = getattr(layer, "strides", 1)
    return strides if isinstance(strides, int) else strides[0]
