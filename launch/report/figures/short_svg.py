"""Makes matplotlib's SVG half as long; it looks the same.

Most of a file places letters and says styles. Here a label, marker or style that comes again
is defined once, groups that only gather are left out, and paths go by steps of a tenth of a
point, round ones of a hundredth.
"""

import functools
import re
import string
from collections import Counter
from collections.abc import Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

LETTER = 1 / 64  # matplotlib's scale of a letter's outline


def shorten(svg: str) -> str:
    """The same picture, a drawn element a line."""
    plain = re.sub(r'(?s)<metadata>.*</metadata>|xlink:| xmlns[:a-z]*="[^"]*"', "", svg)
    return _Picture(ElementTree.fromstring(plain)).text()


class _Picture:
    """An SVG document, and what its short form defines."""

    def __init__(self, root: Element):
        self._root = root
        self._before = {one.get("id"): one for defs in root.iter("defs") for one in defs}
        self._uses = Counter(use.get("href") for use in root.iter("use"))
        self._labels = Counter(map(_letters, root.iter("g")))
        self._defs = Element("defs")
        self._names: dict[str, str] = {}  # of what is defined
        self._classes: dict[str, str] = {}  # of styles

    def text(self) -> str:
        """The short form."""
        drawn = [one for child in self._root for one in self._draw(child)]
        style = Element("style")
        rules = [f".{name}{{{rule}}}" for rule, name in self._classes.items()]
        style.text = "\n".join(["*{stroke-linejoin:round;stroke-linecap:butt}", *rules])
        size = {name: self._root.get(name) for name in ("width", "height", "viewBox")}
        svg = Element("svg", size | {"xmlns": "http://www.w3.org/2000/svg"})
        svg.extend([style, self._defs, *drawn])
        for one in (svg, *svg, *self._defs):
            one.tail = "\n"
        svg.text = self._defs.text = "\n"
        return ElementTree.tostring(svg, encoding="unicode").replace(" />", "/>")

    def _draw(self, one: Element) -> list[Element]:
        """What is drawn of an element, in short."""
        if one.tag == "defs":
            return []
        if one.tag == "path":
            return [_path(one, self._look(one))]
        if one.tag == "use":
            return [self._marker(one)]
        if letters := _letters(one):
            return [self._label(one, letters)]
        inside = [part for child in one for part in self._draw(child)]
        if not (look := self._look(one)):
            return inside
        group = Element("g", look)
        group.extend(inside)
        return [group]

    def _look(self, one: Element, more: str = "") -> dict[str, str]:
        """The class of its style, `more`, and of what cuts it off; empty if there is none."""
        rule = re.sub(r"([:;]) ", r"\1", "; ".join(filter(None, [one.get("style"), more])))
        if cut := one.get("clip-path"):
            old = cut[len("url(#") : -1]
            path, rect = Element("clipPath"), self._before[old][0].attrib
            path.append(Element("rect", {k: _number(float(v)) for k, v in rect.items()}))
            name = self._define(old, lambda: path)
            rule = ";".join(filter(None, [rule, f"clip-path:url(#{name})"]))
        return {"class": self._classes.setdefault(rule, _name(len(self._classes)))} if rule else {}

    def _define(self, what: str, make: Callable[[], Element]) -> str:
        """The name of something, which is made and defined if it is not yet."""
        if what not in self._names:
            made = make()
            made.set("id", self._names.setdefault(what, _name(len(self._names))))
            self._defs.append(made)
        return self._names[what]

    def _marker(self, use: Element) -> Element:
        """A path in a place; one that comes once is drawn there."""
        old, x, y = use.get("href"), float(use.get("x", 0)), float(use.get("y", 0))
        path = self._before[old[1:]]
        own = use.get("style") != path.get("style")
        if self._uses[old] == 1:
            return _path(path, self._look(use, path.get("style") if own else ""), x, y)
        name = self._define(old, lambda: _path(path, self._look(path)))
        place = {"href": f"#{name}", "x": _number(x), "y": _number(y)}
        return Element("use", place | (self._look(use) if own else {}))

    def _label(self, group: Element, letters: tuple) -> Element:
        """A line of text."""
        place, scale = re.fullmatch(r"(.*) (scale.*)", group.get("transform")).groups()
        place = re.sub(r"-?\d+\.\d+", lambda number: _number(float(number[0])), place)
        line = Element("g")
        for old, x in letters:
            letter = self._before[old]
            if not letter.get("d"):  # a space
                continue
            name = self._define(old, functools.partial(_path, letter, {}, scale=LETTER))
            line.append(Element("use", {"href": f"#{name}"} | ({"x": str(x)} if x else {})))
        if self._labels[letters] == 1:
            line.attrib = {"transform": place + scale} | self._look(group)
            return line
        line.set("transform", scale)
        name = self._define(f"{letters} {scale}", lambda: line)
        return Element("use", {"href": f"#{name}", "transform": place} | self._look(group))


def _letters(group: Element) -> tuple[tuple[str, int], ...]:
    """(name, place in hundredths of the size) of a label's letters; empty if it is none."""
    if "scale" not in group.get("transform", ""):
        return ()
    places = [re.match(r"translate\((\S+) ", u.get("transform", "")) for u in group.iter("use")]
    names = [use.get("href")[1:] for use in group.iter("use")]
    return tuple(zip(names, [round(float(p[1])) if p else 0 for p in places], strict=True))


def _name(number: int) -> str:
    """a, b ... z, a1, b1 ...: no capitals, which HTML takes for the same."""
    rounds, place = divmod(number, len(string.ascii_lowercase))
    return string.ascii_lowercase[place] + (str(rounds) if rounds else "")


def _number(value: float, digits: int = 1) -> str:
    return re.sub(r"^(-?)0\.", r"\1.", f"{round(value, digits):g}")


def _path(
    old: Element, look: dict[str, str], x: float = 0, y: float = 0, scale: float = 1
) -> Element:
    """A path of matplotlib's (M, L, C, Q, z), scaled and moved, by relative steps."""
    path = old.get("d", "")
    digits = 2 if "C" in path else 1
    unit = 10**digits
    at = start = (0, 0)
    text = last = ""
    for letter, numbers in re.findall(r"([MLCQz])([^MLCQz]*)", path):
        if letter == "z":
            text, last, at = text + "z", letter, start
            continue
        values = [float(number) * scale for number in numbers.split()]
        points = [
            (round((right + x) * unit), round((down + y) * unit))
            for right, down in zip(values[::2], values[1::2], strict=True)
        ]
        sizes = [step for right, down in points for step in (right - at[0], down - at[1])]
        at = points[-1]
        start = at if letter == "M" else start
        command = letter.lower()
        if letter == "L" and 0 in sizes:  # sideways or down
            command, sizes = ("v", sizes[1:]) if sizes[1] else ("h", sizes[:1])
        if command != {"m": "l"}.get(last, last):  # else it goes without saying
            text += command
        last = command
        for size in sizes:
            number = _number(size / unit, digits)
            text += number if number[0] == "-" or text[-1].isalpha() else f" {number}"
    return Element("path", {"d": text} | look)
