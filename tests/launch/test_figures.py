"""The pictures of the report."""

import os
import pathlib
import subprocess
import sys

import pytest

from launch.report.figures import error_over_cost, figures
from launch.report.papers import read_papers

ROOT = pathlib.Path(__file__).parents[2]
DRAW = """
import sys
from launch.report.figures import figures
from launch.report.papers import read_papers
for picture in figures.pictures(read_papers())[::2]:
    sys.stdout.write(picture.svg())
assert not {"tensorflow", "keras"} & set(sys.modules)
"""


def test_two_processes_draw_the_same_bytes():
    env = os.environ | {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", DRAW]
    theirs = subprocess.run(
        command, cwd=ROOT, env=env, check=True, capture_output=True, text=True
    ).stdout
    assert theirs == "".join(p.svg() for p in figures.pictures(read_papers())[::2])
    assert theirs.count("</svg>") >= 3
    for word in ("dc:date", "font-family", str(ROOT)):
        assert word not in theirs


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
