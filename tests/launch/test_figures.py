"""The pictures of the report."""

import os
import pathlib
import re
import subprocess
import sys
import types
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from launch.report.figures import error_over_cost, figures, overlay
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
    for word in ("dc:date", str(ROOT)):
        assert word not in done.stdout


def test_text_stays_text_and_its_numbers_are_whole():
    def draw(shown):
        figure = Figure()
        figure.subplots().plot([0, 1 / 3], label=shown)
        figure.legend()
        return figure

    root = ElementTree.fromstring(figures.draw_svg(draw, "a run & its rate of 0.00015"))
    (label,) = [one for one in root.iter() if one.text == "a run & its rate of 0.00015"]
    assert root.get("font-family") == figures.FONTS and "font-family" not in label.get("style")
    paths = "".join(one.get("d", "") for one in root.iter())
    assert re.search(r"\.\d\b", paths) and not re.search(r"\.\d{2}", paths)


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
    assert found["alexnet"].protocol == "nine or ten crops"
    # One window, though the paper prints 144 crops too.
    inception = found["inception_v3"]
    assert (inception.error, inception.protocol) == (5.6, "one window")
    # The paper's number, though others printed one of one window: 7.94.
    resnet = found["resnet50"]
    assert (resnet.error, resnet.protocol) == (6.71, "nine or ten crops")
    assert found["bvlc_alexnet"].error == 19.8  # which no paper prints
    cifar = error_over_cost.points(read_papers(), "cifar10", "test", "top1_error")
    assert {p.variant: p.protocol for p in cifar}["cifar_alexnet_11pct"] == "nine or ten crops"


@pytest.mark.parametrize("views", ["ten_crop", "ten_crop_of_logits"])
def test_ten_crops_are_ten_crops_however_they_are_averaged(views):
    paper = read_papers()["zfnet"]
    own = {"variant": "zfnet", "data": "toys", "split": "test", "views": views, "own": True}
    claims = [types.SimpleNamespace(**own, top5_error=9.0)]
    sizes = {"parameters": paper.expected.parameters, "macs": paper.expected.macs}
    expected = types.SimpleNamespace(result=claims, **sizes)
    shown = types.SimpleNamespace(name="zfnet", recipes=["zfnet"], expected=expected)
    papers = {"zfnet": shown}
    [point] = error_over_cost.points(papers, "toys", "test", "top5_error")
    assert point.protocol == "nine or ten crops"


@pytest.mark.parametrize("what", ["shown", "code"])
def test_a_picture_is_drawn_again_when_something_changed(what, tmp_path, monkeypatch):
    def draw(shown):
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
