"""A network as its paper draws it: blocks, and the paths inside of them.

All of it comes from the Keras graph and the layers' names: a block ends where everything passes
through one layer, and its name is what its layers' names begin with. What only accompanies a layer
(batch normalisation, activation, padding, dropout) is not drawn.
"""

import dataclasses
import os
import re

import keras

from common.models.layer_table import LayerRow, calls_of, layer_table, together, totals

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
_MOST_TOWERS = 4  # more groups than that are no towers, but cardinality


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """A layer of the main chain, or parallel paths and what joins them.

    Attributes:
        chain: One Box, or a Parallel and the Box that joins it.
        rows: The sums over its layers, also those that are not drawn.
        after: Of a side branch, which only trains the network, the place of the block that it
            begins at.
    """

    name: str
    chain: Chain
    rows: LayerRow
    after: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """What `describe` shows; `image` without the batch, `total` over the main path."""

    image: tuple[int, ...]
    blocks: tuple[Block, ...]
    heads: tuple[Block, ...]
    total: LayerRow


def network(model: keras.Model) -> Network:
    """The blocks of a model that has one input."""
    graph, table = _Graph(model), layer_table(model)
    main = {row.name for row in table if row.main} | {""}
    first, *inside = [v for v in graph.order if _layer_of(v) in main]
    sides = graph.side_branches([v for v in graph.order if _layer_of(v) not in main])
    chains: list[Chain] = []
    for part in graph.chain(inside, first, None):
        if chains and isinstance(chains[-1][-1], Parallel):  # goes with what joins it
            chains[-1] = (*chains[-1], part)
        else:
            chains.append((part,))
    count, chains = len(chains), _split_towers(chains)
    chains += [graph.chain(layers, start, None) for start, layers in sides]
    names = _name_blocks(chains)
    owner = graph.owners(names, chains)
    starts = [None] * count + [owner[_layer_of(start)] for start, _ in sides]
    blocks = []
    for place, (name, chain, after) in enumerate(zip(names, chains, starts, strict=True)):
        rows = together([row for row in table if owner[row.name] == place], name)
        rows = dataclasses.replace(rows, output=boxes_of(chain)[-1].output)  # of what is drawn
        blocks.append(Block(name=name, chain=chain, rows=rows, after=after))
    return Network(
        image=tuple(model.input_shape[1:]),
        blocks=tuple(blocks[:count]),
        heads=tuple(blocks[count:]),
        total=totals(table),
    )


def boxes_of(chain: Chain) -> list[Box]:
    """All of them, the last of the chain last."""
    found = []
    for part in chain:
        if isinstance(part, Box):
            found.append(part)
        else:
            found += [box for path in part.paths for box in boxes_of(path)]
    return found


def folded(blocks: tuple[Block, ...]) -> list[tuple[int, int, int]]:
    """(first, period, times) of blocks that repeat, all of them in order.

    One or two that look alike and cost alike come `times` times one after the other.
    """
    chains = [(block.chain, block.rows.params, block.rows.macs) for block in blocks]

    def count_repeats(first: int, period: int) -> int:
        times, end = 1, first + period
        while chains[end : end + period] == chains[first : first + period]:
            times, end = times + 1, end + period
        return times

    groups, first = [], 0
    while first < len(blocks):
        one, two = (count_repeats(first, period) for period in (1, 2))
        period, times = (2, two) if two > 1 and one == 1 else (1, one)
        groups.append((first, period, times))
        first += period * times
    return groups


def _name_blocks(chains: list[Chain]) -> list[str]:
    """What the names of a block's layers begin with, in whole words.

    Where that is nothing, or another block's, the last layer's name.
    """
    names: list[str] = []
    for chain in chains:
        layers = [box.name for box in boxes_of(chain)]
        common = "_".join(os.path.commonprefix([name.split("_") for name in layers]))
        names.append(layers[-1] if not common or common in names else common)
    return names


def _split_towers(chains: list[Chain]) -> list[Chain]:
    """Grouped convolutions in halves, and what is halved with them.

    So are the layers around them up to a convolution or dense layer that sees
    all maps; a convolution only the halves read has its own kernels halved.
    """
    boxes = [chain[0] if len(chain) == 1 else None for chain in chains]
    towers = [1] * len(boxes)
    for k, box in enumerate(boxes):
        if box and 2 <= box.groups <= _MOST_TOWERS:
            towers[k] = box.groups
            for step in (-1, 1):
                near = k + step
                while (
                    0 <= near < len(boxes) and boxes[near] and boxes[near].kind in ("pool", "norm")
                ):
                    if boxes[near].kind == "pool":
                        towers[near] = box.groups
                    near += step
                if step < 0 <= near and boxes[near]:
                    towers[near] = box.groups
    return [
        (dataclasses.replace(chain[0], towers=number),) if number > 1 else chain
        for chain, number in zip(chains, towers, strict=True)
    ]


class _Graph:
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
            before = [end for each in inputs for end in ends[each]]
            if isinstance(layer, keras.layers.InputLayer):
                ends[use], self._before[""] = [""], []
                self.order.append("")
                continue
            self._inputs.setdefault(layer.name, inputs)
            if isinstance(layer, _ACCOMPANY):
                ends[use] = before
                continue
            ends[use] = [use]
            self.order.append(use)
            self._before[use] = before
            self._boxes[use] = _draw(layer, call)

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
        groups, into = self._connected(inside), self._before[last]
        identity = first in into
        if len(groups) == 1 and not identity:
            boxes = tuple(self._boxes[v] for v in inside)
            return [Parallel((boxes,), identity=False, crossing=True)]
        groups.sort(key=lambda g: min(into.index(v) for v in g if v in into))
        paths = [self.chain(group, first, last) for group in groups]
        if self._boxes[last].kind == "sum":  # what is short, on the right
            paths.sort(key=lambda path: -len(boxes_of(path)))
        return [Parallel(tuple(paths), identity=identity)]

    def _connected(self, inside: list[str]) -> list[list[str]]:
        """Groups of layers with edges between them, in the graph's order."""
        groups: list[set[str]] = []
        for v in inside:
            near = [group for group in groups if not group.isdisjoint(self._before[v])]
            groups = [group for group in groups if group not in near] + [{v}.union(*near)]
        found = ([v for v in inside if v in group] for group in groups)
        return sorted(found, key=lambda group: inside.index(group[0]))

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
        drawn = {box.name: k for k, chain in enumerate(chains) for box in boxes_of(chain)}
        begins = {name: k for k, name in enumerate(names)} | drawn
        owner: dict[str, int] = {}
        for layer, inputs in self._inputs.items():
            words = layer.split("_")
            heads = ["_".join(words[:n]) for n in range(len(words), 0, -1)]
            known = [begins[head] for head in heads if head in begins]
            before = owner.get(_layer_of(inputs[0]), 0)
            owner[layer] = drawn.get(layer, known[0] if known else before)
        return owner


def _use(tensor) -> str:
    """See _Graph.order."""
    layer, call, _ = tensor._keras_history
    return f"{layer.name}@{call}" if call else layer.name


def _layer_of(use: str) -> str:
    return use.partition("@")[0]


def _draw(layer: keras.layers.Layer, call) -> Box:
    name, output = type(layer).__name__, tuple(call.outputs[0].shape[1:])
    words = " ".join(re.findall("[A-Z][a-z]+", name)).lower()  # SparseConv2D: "sparse conv"
    size = getattr(layer, "pool_size", None) or getattr(layer, "kernel_size", ())
    window = "×".join(map(str, (size, size) if isinstance(size, int) else size))
    strides = getattr(layer, "strides", 1)
    looks = (  # the first that fits
        (isinstance(layer, keras.layers.Dense), "dense", "fc"),
        (isinstance(layer, keras.layers.MaxPooling2D), "pool", f"{window} max pool"),
        (isinstance(layer, keras.layers.AveragePooling2D), "pool", f"{window} mean pool"),
        (isinstance(layer, keras.layers.GlobalAveragePooling2D), "pool", "global mean pool"),
        (isinstance(layer, keras.layers.Concatenate), "concat", "concat"),
        (isinstance(layer, keras.layers.Conv2D), "conv", f"{window} conv"),
        ("Conv2D" in name, "conv", f"{window} {words}"),
        (isinstance(layer, keras.layers.Multiply), "other", "×"),
        (isinstance(layer.input, list) and len(layer.input) > 1, "sum", "+"),
        ("ormalization" in name, "norm", words),
        (True, "other", words),
    )
    kind, what = next(look for fits, *look in looks if fits)
    makes = kind in ("conv", "dense") or (kind == "other" and layer.weights)
    return Box(
        name=layer.name,
        kind=kind,
        what=what,
        filters=output[-1] if makes else None,
        strides=strides if isinstance(strides, int) else strides[0],
        groups=getattr(layer, "groups", 1) if kind == "conv" else 1,
        output=output,
        again=call is not layer._inbound_nodes[0],
    )
