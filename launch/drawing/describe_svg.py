"""A network as an SVG picture, from top to bottom as the papers draw them.

It is made of common.models.graph alone, so the same network gives the same bytes.
"""

import dataclasses
from dataclasses import replace
from xml.sax.saxutils import escape

from common.models.graph import Box, Network, folded
from launch.drawing.svg_shapes import (
    GAP,
    HEIGHT,
    Drawn,
    Port,
    box,
    chain,
    connect,
    line_of_text,
    stack,
    text_width,
)

_MARGIN = 20
_ASIDE = 16  # from the drawing to what is said of it
_FRAME = 15  # around parallel paths
_TITLE = 76  # above the image

_STYLE = """
text { font: 12px Helvetica, Arial, sans-serif; fill: #222; }
.title { font-size: 17px; font-weight: bold; }
.name { font-weight: bold; text-anchor: end; }
.in { text-anchor: middle; }
.fact, .side { fill: #444; }
.box { stroke: #555; fill: #fff; }
.conv { fill: #cfe2f3; stroke: #38618c; }
.pool { fill: #f8d9d2; stroke: #a34b36; }
.norm, .other { fill: #e9e3f4; stroke: #6d5693; }
.dense { fill: #fdeec2; stroke: #94741a; }
.concat { fill: #d8ead2; stroke: #4f7d40; }
.again { stroke-dasharray: 4 3; }
.frame { fill: #f6f6f6; stroke: #bbb; }
.line { fill: none; stroke: #444; }
.arrow { marker-end: url(#tip); }
"""
_TIP = (
    '<marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" '
    'markerHeight="7" orient="auto"><path d="M0 0.5L8 4L0 7.5z" '
    'fill="#444"/></marker>'
)


@dataclasses.dataclass(frozen=True)
class _Group:
    """Blocks that look alike, drawn once.

    Attributes:
        places: Of all of them.
        name: Of the first and the last.
        facts: Lines about them all.
        framed: Whether there is more inside than one box.
        crossed: Whether its towers see all towers before.
    """

    places: range
    drawn: Drawn
    name: str
    facts: tuple[str, ...]
    framed: bool
    crossed: bool


def draw(title: str, network: Network) -> str:
    """The picture, the text of an SVG file."""
    groups = _groups(network)
    before = max(text_width(group.name) for group in groups) + _ASIDE
    middle = max(group.drawn.width for group in groups) + 2 * _FRAME
    after = max(text_width(line) for g in groups for line in g.facts)
    x = _MARGIN + before + middle / 2
    facts_at = x + middle / 2 + _ASIDE
    markup = [line_of_text(x, _TITLE, f"image {'×'.join(map(str, network.image))}", "in")]
    y, ports, ends = _TITLE + 6.0, (Port(x, x, _TITLE + 6.0),), {}
    inside = False
    for group in groups:
        y += GAP + _FRAME * (group.framed + inside)
        here = group.drawn.at(x, y)
        if group.framed:
            markup.append(
                f'<rect x="{x - middle / 2:g}" y="{y - _FRAME:g}" width="{middle:g}" '
                f'height="{here.height + 2 * _FRAME - 4:g}" rx="8" class="frame"/>'
            )
        markup += [connect(ports, here.tops, cross=group.crossed), here.markup]
        centre = y + here.height / 2 + 4
        markup.append(line_of_text(_MARGIN + before - _ASIDE, centre, group.name, "name"))
        top = centre - 7.5 * (len(group.facts) - 1)
        markup += [
            line_of_text(facts_at, top + 15 * k, words, "fact")
            for k, words in enumerate(group.facts)
        ]
        ends |= dict.fromkeys(group.places, here)
        y, ports, inside = y + here.height, here.bottoms, group.framed
    heads, right, low = _heads(network, ends, facts_at + after + _MARGIN)
    return _document(title, network, right + _MARGIN, max(y, low) + 2 * _MARGIN, markup + heads)


def _groups(network: Network) -> list[_Group]:
    boxes = [block.chain[0] for block in network.blocks]
    towers = [box(replace(b, towers=1)) for b in boxes if isinstance(b, Box) and b.towers > 1]
    # Each of a layer's towers is as wide as the widest, so that they stand above each other.
    tower_width = max((tower.width for tower in towers), default=0.0)
    groups, wide = [], 0.0
    for first, period, times in folded(network.blocks):
        blocks = network.blocks[first : first + period * times]
        only = blocks[0].chain[0]
        in_towers = isinstance(only, Box) and only.towers > 1
        if period > 1 or not isinstance(only, Box):
            drawn = stack([chain(block.chain) for block in blocks[:period]], 2 * GAP)
        else:  # a norm or pool of all towers is as wide as those above
            whole = wide if only.kind in ("norm", "pool") else 0.0
            drawn = box(only, tower_width if in_towers else whole, copies=times)
        wide = drawn.width if in_towers else 0.0
        last = blocks[-1].name
        parameters = sum(block.rows.params for block in blocks[:period])
        many = f"{times} × " if times > 1 else ""
        size = "×".join(map(str, blocks[-1].rows.output))
        facts = [f"{many}the same, {size}" if many else size]
        facts += [f"{many}{parameters:,} parameters"] if parameters else []
        groups.append(
            _Group(
                places=range(first, first + len(blocks)),
                drawn=drawn,
                name=blocks[0].name + (f" – {last}" if last != blocks[0].name else ""),
                facts=tuple(facts),
                framed=len(blocks[0].chain) > 1,
                crossed=in_towers and (only.kind, only.groups) == ("conv", 1),
            )
        )
    return groups


def _heads(network: Network, ends: dict[int, Drawn], left: float) -> tuple[list[str], float, float]:
    """The side branches, at the right; (markup, their right end, lowest)."""
    markup, right, low = [], left - _MARGIN, 0.0
    for head in network.heads:
        drawn = chain(head.chain)
        start = ends[head.after].bottoms[0]
        from_y = start.y - HEIGHT / 3
        y = max(from_y + GAP, low + 2 * GAP)
        x = left + drawn.width / 2
        here = drawn.at(x, y)
        markup += [
            f'<path d="M{start.high:g} {from_y:g}H{x:g}V{y:g}" class="line arrow"/>',
            here.markup,
        ]
        low = y + drawn.height + 18
        size = f"{head.name}: {head.rows.params:,} parameters, training only"
        markup.append(line_of_text(left, low, size, "side"))
        right = max(right, left + max(drawn.width, text_width(size)))
    return markup, right, low


def _document(title: str, network: Network, width: float, height: float, markup: list) -> str:
    total = network.total
    about = f"{total.params:,} parameters, {total.macs:,} multiply-accumulates an image"
    width = max(width, 2 * _MARGIN + text_width(about))
    head = [line_of_text(_MARGIN, 28, title, "title"), line_of_text(_MARGIN, 46, about, "fact")]
    if any("again" in part for part in markup):
        note = "dashed: the weights of an earlier box, used again"
        head.append(line_of_text(_MARGIN, height - 8, note, "fact"))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" role="img">',
            f"<title>{escape(title)}: {escape(about)}</title>",
            f"<style>{_STYLE}</style><defs>{_TIP}</defs>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            *head,
            *filter(None, markup),
            "</svg>\n",
        ]
    )
