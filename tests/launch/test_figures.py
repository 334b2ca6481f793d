"""The pictures of the report."""

import io
import os
import pathlib
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from launch.report.figures import error_over_cost, figures, overlay
from launch.report.figures.short_svg import shorten
from launch.report.papers import read_papers

ROOT = pathlib.Path(__file__).parents[2]
DRAW = """
import sys
from tests.launch.test_figures import draw_each_kind
sys.stdout.write(draw_each_kind())
assert not {"tensorflow", "keras"} & set(sys.modules)
"""


def draw_each_kind():
    """Of the last picture of each kind a part of what it shows: a few networks, curves ..."""
    kinds = {one.draw: one.shown[-1] for one in figures.pictures(read_papers())}
    few = {draw: part[:8] if isinstance(part, list) else part for draw, part in kinds.items()}
    assert len(few) == 5
    return "".join(figures.draw_svg(draw, [part]) for draw, part in few.items())


def test_two_processes_draw_the_same_bytes():
    env = os.environ | {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", DRAW]
    done = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True)
    assert done.stdout == draw_each_kind()
    assert done.stdout.count("</svg>") == 5
    for word in ("dc:date", "font-family", str(ROOT)):
        assert word not in done.stdout


def trace(svg):
    """(its style, its points on the page) of every path that is drawn, in their order."""
    root = ElementTree.fromstring(re.sub(r'xlink:| xmlns="[^"]*"', "", svg))
    known = {one.get("id"): one for one in root.iter()}
    rules = dict(re.findall(r"\.(\w+)\{(.*)\}", "".join(root.itertext())))

    def read_style(one):
        text = one.get("style") or rules.get(one.get("class"), "")
        found = dict(pair.split(":") for pair in re.sub(r"\s", "", text).split(";") if pair)
        if "clip-path" in one.attrib:
            found["clip-path"] = one.get("clip-path")
        if "clip-path" in found:
            rect = known[found["clip-path"][len("url(#") : -1]][0]
            found["clip-path"] = [
                pytest.approx(float(rect.get(name)), abs=0.06)
                for name in ("x", "y", "width", "height")
            ]
        return found

    def visit(one, matrix, style):
        for kind, numbers in re.findall(r"(\w+)\((.*?)\)", one.get("transform", "")):
            matrix = matrix @ transform(kind, *map(float, numbers.split()))
        if one.tag == "path":
            if one.get("d"):
                points = np.array([(*point, 1) for point in walk(one.get("d"))])
                yield style | read_style(one), (points @ matrix.T)[:, :2]
        elif one.tag == "use":
            x, y = float(one.get("x", 0)), float(one.get("y", 0))
            matrix = matrix @ transform("translate", x, y)
            yield from visit(known[one.get("href")[1:]], matrix, style | read_style(one))
        elif one.tag in ("svg", "g"):
            for child in one:
                yield from visit(child, matrix, style | read_style(one))

    return list(visit(root, np.eye(3), {}))


def transform(kind, x, y=None):
    if kind == "translate":
        return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])
    if kind == "scale":
        return np.diag([x, x if y is None else y, 1])
    assert (kind, x) == ("rotate", -90)
    return np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])


def walk(path):
    """All points of a path, with those of its curves that it does not go through."""
    x = y = 0.0
    letters = iter(re.findall(r"[a-zA-Z]|-?\d*\.?\d+", path))
    command = start = None
    for token in letters:
        if token.isalpha():
            command = token
            if command in "zZ":
                x, y = start
                yield x, y
                continue
            token = next(letters)
        relative = command.islower()
        for number in range({"Q": 2, "C": 3}.get(command.upper(), 1)):
            first = token if not number else next(letters)
            if command in "hv":
                step = (float(first), 0) if command == "h" else (0, float(first))
            else:
                step = float(first), float(next(letters))
            there = (x + step[0], y + step[1]) if relative else step
            yield there
        x, y = there
        if command in "mM":
            start, command = (x, y), "l" if relative else "L"


def test_a_picture_is_as_good_when_it_is_short():
    """Every path has its style and lies within a tenth of a point of where matplotlib put it."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    with matplotlib.rc_context(figures.STYLE):
        figure = Figure(figsize=(5, 3), layout="constrained")
        left, right = figure.subplots(1, 2)
        values = np.random.default_rng(0).normal(size=(3, 60)).cumsum(axis=1)
        for row, marker in zip(values, ("o", "", ""), strict=True):
            left.plot(row, marker=marker, markersize=3, label="a run & its error, %")
        left.axhline(0, dashes=(4, 2), color="#222222", label="a run & its error, %")
        left.legend(fontsize=7)
        left.set_ylabel("top-1 error, %")
        for place in range(3):
            right.scatter(place, place, s=9 * 4**place, facecolor="none", edgecolor="#b2182b")
            right.scatter(place, 1, s=40, color="#2166ac", alpha=0.4)
        corners = [(0, 0), (1, 0), (1, 1), (0, 0)]  # the last is not gone to: the path is closed
        squares = Path([*corners, *corners], [1, 2, 2, 79] * 2)
        squares.vertices[4:] += 1.5
        right.add_patch(PathPatch(squares))
        text = io.StringIO()
        figure.savefig(text, format="svg")
    long, short = text.getvalue(), shorten(text.getvalue())
    before, after = trace(long), trace(short)
    assert len(before) == len(after) > 200
    for (old_style, old), (style, new) in zip(before, after, strict=True):
        assert style == old_style
        assert new == pytest.approx(old, abs=0.11)
    assert len(short) < 0.5 * len(long)


def test_long_names_leave_the_curves_their_place():
    runs = [("learning rate 0.1, " * 6, (2, 1)), ("b", (3, 1))]
    figure = overlay.draw([{"title": "t", "axis": "loss", "runs": runs}])
    figure.canvas.draw()
    assert figure.axes[0].get_position().width > 0.7


def test_each_network_stands_at_its_numbers():
    panel = error_over_cost.points(read_papers(), "imagenet2012", "validation", "top5_error")
    found = {point.variant: point for point in panel}
    vgg = found["vgg16"]
    assert (vgg.parameters, vgg.macs) == (138_357_544, 15_470_264_320)
    assert (vgg.error, vgg.protocol) == (8.8, "dense or more")
    assert found["alexnet"].protocol == "ten crops"
    # One window, though the paper prints 144 crops too.
    inception = found["inception_v3"]
    assert (inception.error, inception.protocol) == (5.6, "one window")


@pytest.mark.parametrize("what", ["shown", "code"])
def test_a_picture_is_drawn_again_when_something_changed(what, tmp_path, monkeypatch):
    def draw(shown):
        from matplotlib.figure import Figure

        return Figure()

    picture = figures.Picture(tmp_path / "a.svg", "Nothing", [1], draw)
    assert not picture.is_current()
    picture.file.write_text(picture.svg())
    assert picture.is_current()
    if what == "code":
        monkeypatch.setitem(figures.STYLE, "font.size", 9)
    else:
        picture = figures.Picture(picture.file, "Nothing", [2], draw)
    assert not picture.is_current()


def test_more_papers_than_colours_have_colours_of_their_own():
    rounds = 3 * len(error_over_cost.COLORS)
    assert error_over_cost.color_of(0) == error_over_cost.COLORS[0]
    assert len({error_over_cost.color_of(number) for number in range(rounds)}) == rounds
