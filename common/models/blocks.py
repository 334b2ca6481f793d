"""A network as its paper draws it: blocks, and the paths inside of them.

All of it comes from the Keras graph and the layers' names: a block ends where
everything passes through one layer (see common.models.paths), and its name is what
its layers' names begin with.
"""

import dataclasses
import os

import keras

from common.models.layer_table import LayerRow, layer_table, together, totals
from common.models.paths import Box, Chain, Parallel, Paths, boxes_of, layer_of

_MOST_TOWERS = 4  # more groups than that are no towers, but cardinality


@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """A layer of the main chain, or parallel paths and what joins them.

    Attributes:
        chain: One Box, or a Parallel and the Box that joins it.
        rows: The sums over its layers, also those that are not drawn.
    """

    name: str
    chain: Chain
    rows: LayerRow


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """A side branch, that only trains the network.

    Attributes:
        after: The block, by its place, that it begins at.
    """

    name: str
    after: int
    chain: Chain
    rows: LayerRow


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """What `describe` shows.

    Attributes:
        image: Shape of the input, without the batch.
        total: The sums over the main path.
    """

    image: tuple[int, ...]
    blocks: tuple[Block, ...]
    heads: tuple[Head, ...]
    total: LayerRow


def network(model: keras.Model) -> Network:
    """The blocks of a model that has one input."""
    graph = Paths(model)
    table = layer_table(model)
    main = {row.name for row in table if row.main}
    first, *inside = [v for v in graph.order if layer_of(v) in main | {""}]
    chains = _cut(graph.chain(inside, first, None))
    sides = graph.side_branches([v for v in graph.order if layer_of(v) not in main | {""}])
    place = {box.name: k for k, c in enumerate(chains) for box in boxes_of(c)}
    heads = [graph.chain(inside, start, None) for start, inside in sides]
    every = [*chains, *heads]
    names = _names(every)
    sums = _sums(table, graph.owners(names, every), names, every)
    blocks = zip(names, _with_towers(chains), sums, strict=False)
    return Network(
        image=tuple(model.input_shape[1:]),
        blocks=tuple(Block(name=name, chain=chain, rows=rows) for name, chain, rows in blocks),
        heads=tuple(
            Head(name=names[k], after=place[layer_of(start)], chain=chain, rows=sums[k])
            for k, ((start, _), chain) in enumerate(zip(sides, heads, strict=True), len(chains))
        ),
        total=totals(table),
    )


def _sums(
    table: list[LayerRow], owners: dict[str, int], names: list[str], chains
) -> list[LayerRow]:
    """What the layers of each block add up to; the output is the drawn one."""
    own: list[list[LayerRow]] = [[] for _ in names]
    for row in table:
        own[owners[row.name]].append(row)
    return [
        dataclasses.replace(together(rows, name), output=boxes_of(chain)[-1].output)
        for rows, name, chain in zip(own, names, chains, strict=True)
    ]


def _cut(chain: Chain) -> list[Chain]:
    """The main chain in blocks: parallel paths go with what joins them."""
    chains: list[Chain] = []
    for part in chain:
        if chains and isinstance(chains[-1][-1], Parallel):
            chains[-1] = (*chains[-1], part)
        else:
            chains.append((part,))
    return chains


def _names(chains: list[Chain]) -> list[str]:
    """What the names of a block's layers begin with, in whole words.

    Where that is nothing, or another block's, the last layer's name.
    """
    names: list[str] = []
    lasts = [boxes_of(chain)[-1].name for chain in chains]
    for chain, last in zip(chains, lasts, strict=True):
        words = [box.name.split("_") for box in boxes_of(chain)]
        name = "_".join(os.path.commonprefix(words)) or last
        names.append(last if name in names else name)
    return names


def _with_towers(chains: list[Chain]) -> list[Chain]:
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
                while 0 <= near < len(boxes) and _keeps_maps_apart(boxes[near]):
                    if boxes[near].kind == "pool":
                        towers[near] = box.groups
                    near += step
                if step < 0 <= near and boxes[near]:
                    towers[near] = box.groups
    return [
        (dataclasses.replace(chain[0], towers=number),) if number > 1 else chain
        for chain, number in zip(chains, towers, strict=True)
    ]


def _keeps_maps_apart(box: Box | None) -> bool:
    return box is not None and box.kind in ("pool", "norm")


def folded(blocks: tuple[Block, ...]) -> list[tuple[int, int, int]]:
    """(first, period, times) of blocks that repeat, all of them in order.

    One or two that look alike come `times` times one after the other.
    """
    groups, first = [], 0
    while first < len(blocks):
        times = {p: _times(blocks, first, p) for p in (1, 2)}
        period = 2 if times[2] > 1 and times[1] == 1 else 1
        groups.append((first, period, times[period]))
        first += period * times[period]
    return groups


def _times(blocks: tuple[Block, ...], first: int, period: int) -> int:
    pattern = [b.chain for b in blocks[first : first + period]]
    times = 1
    while [
        b.chain for b in blocks[first + times * period : first + (times + 1) * period]
    ] == pattern:
        times += 1
    return times
