"""The crops of each view: how many, and where, of frames and of images of odd sizes."""

import dataclasses

import pytest

from common.errors import UsageError
from common.evaluation import views
from common.evaluation.inputs import count_inputs
from common.evaluation.views import Crop, FrameView

SIZES = [(375, 500), (333, 501), (501, 333), (256, 256), (97, 640)]
GOOGLENET = views.SquareCrops(sides=(256, 288, 320, 352), size=224, mirrored=True)
VGG = views.GridCrops(sides=(256, 384, 512), size=224, places=5, mirrored=True)
DENSE = views.Dense(sides=(256, 384, 512), mirrored=True)
TWELVE = views.SquareCrops(sides=(320,), size=299, squashed=True, mirrored=True)
SQUASHED = views.CentreCrop(sides=(378,), size=331, squashed=True)
CENTRE = views.CentreCrop(sides=(320,), size=320)
LOGITS = views.CornerCrops(sides=(256,), size=224, mirrored=True, average="logits")


def places(scaled, mirrored=False):
    """(top, left, side) of the crops, in their order."""
    return [(c.top, c.left, c.height) for c in scaled.crops if c.mirrored is mirrored]


def crops_of_frame(name, frame, size):
    (scaled,) = FrameView(name=name, size=size).scaled_images(frame, frame)
    assert (scaled.canvas, scaled.size, scaled.weight) == ((frame, frame), size, 1)
    assert all(c.height == c.width == size for c in scaled.crops)
    return scaled.crops


def test_the_crops_of_frames():
    crops = crops_of_frame("ten_crop", 256, 224)  # AlexNet, Sec. 4.1
    corners = [(c.top, c.left) for c in crops]
    assert corners[:5] == [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    assert corners[5:] == corners[:5]
    assert [c.mirrored for c in crops] == [False] * 5 + [True] * 5
    crops = crops_of_frame("nine_crop", 32, 24)  # convdata_cifar.py: a grid, not mirrored
    grid = [(top, left) for top in (0, 4, 8) for left in (0, 4, 8)]
    assert [(c.top, c.left) for c in crops] == grid
    assert not any(c.mirrored for c in crops)
    # The odd pixel is left at the end.
    assert crops_of_frame("centre_crop", 256, 224) == (Crop(16, 16, 224, 224, False),)
    assert crops_of_frame("centre_crop", 37, 30) == (Crop(3, 3, 30, 30, False),)
    assert crops_of_frame("single", 32, 32) == (Crop(0, 0, 32, 32, False),)
    counts = {name: count_inputs(FrameView(name=name, size=24), 24) for name in views.NAMES}
    assert counts == {"single": 1, "centre_crop": 1, "nine_crop": 9, "ten_crop": 10}


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (FrameView(name="single", size=254), "254 pixels from a frame of 255"),
        (FrameView(name="centre_crop", size=256), "frame"),
        (FrameView(name="nine_crop", size=256), "frame"),
        (FrameView(name="ten_crop", size=256), "frame"),
        (dataclasses.replace(TWELVE, sides=(298,)), "cannot cut 299"),
    ],
)
def test_what_does_not_fit_is_refused(view, message):
    with pytest.raises(UsageError, match=message):
        view.scaled_images(255, 255)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("view", "count"),
    [
        (GOOGLENET, 144),  # Szegedy et al. 2014, Sec. 7
        (views.SquareCrops(sides=(320, 352, 384, 416), size=299, mirrored=True), 144),
        (TWELVE, 12),
        (VGG, 150),  # Simonyan and Zisserman 2014, Sec. 3.2
        (DENSE, 6),
        (views.MeanOf((VGG, DENSE)), 156),
        (CENTRE, 1),
        (SQUASHED, 1),
        (LOGITS, 10),
    ],
)
def test_every_image_gives_the_papers_count_inside_of_it(view, count, size):
    images = view.scaled_images(*size)
    assert sum(len(scaled.crops) for scaled in images) == count_inputs(view, 224) == count
    assert sum(scaled.weight for scaled in images) == pytest.approx(1)
    for scaled in images:
        for crop in scaled.crops:
            assert 0 <= crop.top <= scaled.canvas[0] - crop.height
            assert 0 <= crop.left <= scaled.canvas[1] - crop.width
        assert places(scaled, mirrored=True) in ([], places(scaled))


def test_googlenets_scales_keep_the_aspect_ratio():
    canvases = [scaled.canvas for scaled in GOOGLENET.scaled_images(375, 500)]
    assert canvases == [(256, 341), (288, 384), (320, 427), (352, 469)]
    assert GOOGLENET.scaled_images(500, 375)[0].canvas == (341, 256)
    assert GOOGLENET.scaled_images(333, 501)[0].canvas == (256, 385)


def test_googlenets_squares_are_left_centre_and_right():  # Sec. 7
    crops = places(GOOGLENET.scaled_images(375, 500)[0])  # 256x341
    assert [crops[i] for i in (5, 11, 17)] == [(0, 0, 256), (0, 42, 256), (0, 85, 256)]
    corners = [(0, 42), (0, 74), (32, 42), (32, 74), (16, 58)]
    assert crops[6:11] == [(top, left, 224) for top, left in corners]
    crops = places(GOOGLENET.scaled_images(500, 375)[0])  # of a portrait top, centre and bottom
    assert [crops[i] for i in (5, 11, 17)] == [(0, 0, 256), (42, 0, 256), (85, 0, 256)]


def test_vggs_grid_is_regular_and_reaches_every_border():
    scaled = VGG.scaled_images(375, 500)[0]  # 256x341: 32 and 117 pixels to move in
    tops = sorted({top for top, _, _ in places(scaled)})
    lefts = sorted({left for _, left, _ in places(scaled)})
    assert tops == [0, 8, 16, 24, 32]
    assert lefts == [0, 29, 58, 87, 117]
    assert len(set(places(scaled))) == 25


FAIR = [(0, 0, 224), (0, 117, 224), (32, 0, 224), (32, 117, 224), (16, 58, 224)]
CORNERS = [(0, 0, 299), (0, 21, 299), (21, 0, 299), (21, 21, 299), (10, 10, 299)]


@pytest.mark.parametrize(
    ("view", "size", "canvas", "crops"),
    [
        (TWELVE, (97, 640), (320, 320), [*CORNERS, (0, 0, 320)]),
        (SQUASHED, (333, 501), (378, 378), [(23, 23, 331)]),  # PolyNet's
        (CENTRE, (375, 500), (320, 427), [(0, 53, 320)]),  # as large as the shorter side
        (LOGITS, (375, 500), (256, 341), FAIR),  # transforms.lua: TenCrop
    ],
)
def test_crops_of_a_squashed_or_of_the_whole_image(view, size, canvas, crops):
    (scaled,) = view.scaled_images(*size)
    assert (scaled.canvas, places(scaled)) == (canvas, crops)


def test_dense_inputs_are_the_whole_image_and_weigh_as_crops_do():  # VGG, Sec. 4.3
    images = DENSE.scaled_images(375, 500)
    assert [scaled.canvas for scaled in images] == [(256, 341), (384, 512), (512, 683)]
    for scaled in images:
        assert scaled.size is None
        both = tuple(Crop(0, 0, *scaled.canvas, mirrored) for mirrored in (False, True))
        assert scaled.crops == both
    for fixed in ({"average": "logits"}, {"squashed": True}):
        with pytest.raises(TypeError):
            views.Dense(sides=(256,), **fixed)
    both = views.MeanOf((VGG, DENSE)).scaled_images(375, 500)
    for crops in (50, 2):
        assert sum(scaled.weight for scaled in both if len(scaled.crops) == crops) == 0.5


def test_another_input_size_rescales_every_size():
    half = views.rescale(views.MeanOf((VGG, DENSE)), 0.5)
    assert half.views[0] == dataclasses.replace(VGG, sides=(128, 192, 256), size=112)
    assert half.views[1] == views.Dense(sides=(128, 192, 256), mirrored=True)
    assert views.rescale(GOOGLENET, 1) == GOOGLENET
