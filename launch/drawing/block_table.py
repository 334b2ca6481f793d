"""A network as a table of its blocks, from the Keras graph."""

import pathlib

import reproductions
from common.files import write_text, writing
from common.models.graph import Block, Box, Chain, Network, folded, network
from common.models.layer_table import without_weights
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
        rows += _block(blocks, period, times)
    rows.append(_row("total", "", found.total.output, [found.total]))
    for head in found.heads:
        lines = _paths(head.chain)
        about = f"{head.name}, training only"
        rows += _lines(about, lines, head.rows.output, [head.rows])
    return rows


def _block(blocks: tuple[Block, ...], period: int, times: int) -> list[list[str]]:
    name = blocks[0].name
    if len(blocks) > 1:
        name += f" .. {blocks[-1].name}"
    if times > 1:
        name += f" ({times} x)"
    lines = [line for block in blocks[:period] for line in _paths(block.chain)]
    sums = [block.rows for block in blocks[:period]]
    return _lines(name, lines, blocks[-1].rows.output, sums, times)


def _lines(name: str, lines: list[str], output: tuple, sums, times: int = 1) -> list[list[str]]:
    first = _row(name, lines[0], output, sums, times)
    return [first, *(["", "", "", "", line] for line in lines[1:])]


def _row(name: str, line: str, output: tuple, sums, times: int = 1) -> list[str]:
    costs = sum(one.params for one in sums), sum(one.macs for one in sums)
    cells = [f"{times} x {cost:,}" if times > 1 and cost else f"{cost:,}" for cost in costs]
    return [name, _size(output), *cells, line]


def _paths(chain: Chain) -> list[str]:
    """A line for each path of a block, or one for all of a plain chain."""
    if isinstance(chain[0], Box) or len(chain) > 2:
        return [" > ".join(_words(part) for part in chain)]
    parallel, join = chain
    lines = [" > ".join(map(_words, path)) for path in parallel.paths]
    if parallel.identity:
        lines.append("identity")
    lines[-1] += f"   ({join.what})"
    return lines


def _words(part) -> str:
    if isinstance(part, Box) and part.towers > 1:
        both = ", of all maps" if (part.kind, part.groups) == ("conv", 1) else ""
        return f"{part.towers} towers, each {label(part)}{both}"
    if isinstance(part, Box):
        return label(part)
    inner = [" > ".join(map(_words, path)) for path in part.paths]
    return f"[{' | '.join([*inner, *['identity'] * part.identity])}]"


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
