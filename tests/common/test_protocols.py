"""The papers' crops: how many, and where, on images of odd sizes too."""

import collections
import dataclasses

import pytest

from common.errors import UsageError
from common.evaluation import protocols
from common.evaluation.views import windows

SIZES = [(375, 500), (333, 501), (501, 333), (256, 256), (97, 640)]
GOOGLENET = protocols.SquareCrops(sides=(256, 288, 320, 352), size=224)
VGG = protocols.GridCrops(sides=(256, 384, 512), size=224, places=5)
DENSE = protocols.Dense(sides=(256, 384, 512), mirrored=True)


def places(part, mirrored=False):
    """(top, left, side) of the cuts, in their order."""
    return [(c.top, c.left, c.height) for c in part.cuts if c.mirrored is mirrored]


def inputs(view, height=375, width=500):
    return sum(len(part.cuts) for part in view.parts(height, width))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("view", "count"),
    [
        (GOOGLENET, 144),  # Szegedy et al. 2014, Sec. 7
        (protocols.SquareCrops(sides=(320, 352, 384, 416), size=299), 144),
        (protocols.SquashedCrops(side=320, size=299), 12),
        (VGG, 150),  # Simonyan and Zisserman 2014, Sec. 3.2
        (DENSE, 6),
        (protocols.MeanOf((VGG, DENSE)), 156),
        (protocols.CentreCrop(side=320, size=320), 1),
        (protocols.SquashedCentreCrop(side=378, size=331), 1),
        (protocols.TenCrop(side=256, size=224, average="logits"), 10),
    ],
)
def test_every_image_gives_the_papers_count_inside_of_it(view, count, size):
    parts = view.parts(*size)
    assert inputs(view, *size) == count
    assert sum(part.weight for part in parts) == pytest.approx(1)
    for part in parts:
        for cut in part.cuts:
            assert 0 <= cut.top <= part.canvas[0] - cut.height
            assert 0 <= cut.left <= part.canvas[1] - cut.width
        mirrored = collections.Counter(c.mirrored for c in part.cuts)
        assert len(mirrored) == 1 or mirrored[True] == mirrored[False]


def test_googlenets_scales_keep_the_aspect_ratio():
    canvases = [part.canvas for part in GOOGLENET.parts(375, 500)]
    assert canvases == [(256, 341), (288, 384), (320, 427), (352, 469)]
    assert GOOGLENET.parts(500, 375)[0].canvas == (341, 256)
    assert GOOGLENET.parts(333, 501)[0].canvas == (256, 385)


def test_googlenets_squares_are_left_centre_and_right():  # Sec. 7
    crops = places(GOOGLENET.parts(375, 500)[0])  # 256x341
    squares = [crops[i : i + 6] for i in (0, 6, 12)]
    assert [square[5] for square in squares] == [(0, 0, 256), (0, 42, 256), (0, 85, 256)]
    assert squares[1][:5] == [
        (0, 42, 224),
        (0, 74, 224),
        (32, 42, 224),
        (32, 74, 224),
        (16, 58, 224),
    ]


def test_googlenets_squares_of_a_portrait_are_top_centre_and_bottom():
    crops = places(GOOGLENET.parts(500, 375)[0])
    assert [crops[i] for i in (5, 11, 17)] == [(0, 0, 256), (42, 0, 256), (85, 0, 256)]


def test_each_crop_has_its_mirror_image():
    for view in (GOOGLENET, VGG, protocols.SquashedCrops(side=320, size=299)):
        for part in view.parts(333, 501):
            assert places(part, mirrored=True) == places(part)
            assert {part.size} == {(view.size, view.size)}


def test_vggs_grid_is_regular_and_reaches_every_border():
    part = VGG.parts(375, 500)[0]  # 256x341: 32 and 117 pixels to move in
    tops = sorted({top for top, _, _ in places(part)})
    lefts = sorted({left for _, left, _ in places(part)})
    assert tops == [0, 8, 16, 24, 32]
    assert lefts == [0, 29, 58, 87, 117]
    assert len(set(places(part))) == 25


def test_twelve_crops_are_of_the_squashed_image():
    (part,) = protocols.SquashedCrops(side=320, size=299).parts(97, 640)
    assert part.canvas == (320, 320)
    assert places(part) == [
        (0, 0, 299),
        (0, 21, 299),
        (21, 0, 299),
        (21, 21, 299),
        (10, 10, 299),
        (0, 0, 320),
    ]


def test_polynets_crop_ignores_the_aspect_ratio():
    (part,) = protocols.SquashedCentreCrop(side=378, size=331).parts(333, 501)
    assert part.canvas == (378, 378)
    assert places(part) == [(23, 23, 331)]


def test_a_crop_as_large_as_the_shorter_side():
    (part,) = protocols.CentreCrop(side=320, size=320).parts(375, 500)
    assert part.canvas == (320, 427)
    assert places(part) == [(0, 53, 320)]


def test_ten_crops_are_the_frames():
    view = protocols.TenCrop(side=256, size=224, average="logits")
    (part,) = view.parts(375, 500)
    left = (341 - 256) // 2  # of the centre square
    frames = windows("ten_crop", 256, 224)
    assert [(c.top, c.left - left, c.mirrored) for c in part.cuts] == [
        dataclasses.astuple(window) for window in frames
    ]


def test_dense_inputs_are_the_whole_image_at_each_scale():
    parts = DENSE.parts(375, 500)
    assert [part.size for part in parts] == [(256, 341), (384, 512), (512, 683)]
    for part in parts:
        assert part.size == part.canvas
        assert [(c.top, c.left, c.height, c.width, c.mirrored) for c in part.cuts] == [
            (0, 0, *part.size, mirrored) for mirrored in (False, True)
        ]


def test_crops_and_dense_evaluation_weigh_the_same():  # VGG, Sec. 4.3
    both = protocols.MeanOf((VGG, DENSE)).parts(375, 500)
    assert sum(p.weight for p in both if len(p.cuts) == 50) == 0.5
    assert sum(p.weight for p in both if len(p.cuts) == 2) == 0.5


def test_another_input_size_scales_every_size():
    half = protocols.scaled(protocols.MeanOf((VGG, DENSE)), 0.5)
    assert half.views[0] == protocols.GridCrops(sides=(128, 192, 256), size=112, places=5)
    assert half.views[1] == protocols.Dense(sides=(128, 192, 256), mirrored=True)
    assert protocols.scaled(GOOGLENET, 1) == GOOGLENET


def test_a_crop_larger_than_its_image_is_refused():
    with pytest.raises(UsageError, match="cannot cut 299"):
        protocols.SquashedCrops(side=298, size=299).parts(375, 500)
