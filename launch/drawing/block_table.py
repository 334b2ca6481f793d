"""A network as a table of its blocks, from the Keras graph."""

import pathlib
from collections.abc import Sequence

import reproductions
from common.files import write_text, writing
from common.models.graph import Box, Chain, Network, Parallel, folded, network
from common.models.layer_table import LayerRow, without_weights
from common.recipes.recipe import Recipe
from launch.drawing.describe_svg import draw
from launch.drawing.svg_shapes import label
from launch.terminal.tables import show

COLUMNS = ["block", "output", ">parameters", ">MACs/image", "layers"]


def show_network(paper: str, variant: str, recipe: Recipe, picture: pathlib.Path | None) -> int:
    """Prints the table; exit code 0.

    Args:
        recipe: Says the size of its images and what it is made of.
        picture: The SVG file to write, or None.

    Raises:
        RunError: if that could not be written.
    """
    with without_weights():
        model = reproductions.build_model(
            paper, variant, image_size=recipe.image_size, network=recipe.network
        )
        found = network(model)
    show(f"{variant}, image {_size(found.image)}", COLUMNS, rows_of(found))
    if picture:
        with writing(picture):
            write_text(picture, draw(variant, found))
        print(f"{picture} shows it.")
    return 0


def rows_of(found: Network) -> list[list[str]]:
    """The table's rows; blocks that are alike are one, with the numbers of each.

    A block of several paths has a line for each.
    """
    rows = []
    for first, period, times in folded(found.blocks):
        blocks = found.blocks[first : first + period * times]
        name = blocks[0].name
        name += f" .. {blocks[-1].name}" if len(blocks) > 1 else ""
        name += f" ({times} x)" if times > 1 else ""
        lines = [line for block in blocks[:period] for line in _list_paths(block.chain)]
        sums = [block.rows for block in blocks[:period]]
        rows += _make_rows(name, lines, blocks[-1].rows.output, sums, times)
    rows += _make_rows("total", [""], found.total.output, [found.total])
    for head in found.heads:
        about = f"{head.name}, training only"
        rows += _make_rows(about, _list_paths(head.chain), head.rows.output, [head.rows])
    return rows


def _make_rows(
    name: str, lines: list[str], output: tuple, sums: Sequence[LayerRow], times: int = 1
) -> list[list[str]]:
    costs = sum(one.params for one in sums), sum(one.macs for one in sums)
    cells = [f"{times} x {cost:,}" if times > 1 and cost else f"{cost:,}" for cost in costs]
    first, *more = lines
    return [[name, _size(output), *cells, first], *(["", "", "", "", line] for line in more)]


def _list_paths(chain: Chain) -> list[str]:
    """A line for each path of a block, or one for all of a plain chain."""
    if isinstance(chain[0], Box) or len(chain) > 2:
        return [" > ".join(map(_say, chain))]
    parallel, join = chain
    *lines, last = _say_paths(parallel)
    return [*lines, f"{last}   ({join.what})"]


def _say_paths(part: Parallel) -> list[str]:
    if part.crossing:
        return ["crossing paths of " + "; ".join(map(_say, part.paths[0]))]
    paths = [" > ".join(map(_say, path)) for path in part.paths]
    return [*paths, "identity"] if part.identity else paths


def _say(part: Box | Parallel) -> str:
    if isinstance(part, Box):
        both = ", of all maps" if (part.kind, part.groups) == ("conv", 1) else ""
        return f"{part.towers} towers, each {label(part)}{both}" if part.towers > 1 else label(part)
    return f"[{' | '.join(_say_paths(part))}]"


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
