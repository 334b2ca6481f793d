import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from common.data.rng import ExampleRng, fold_in
from common.data.transforms import (
    CentreCrop,
    Pad,
    RandomAreaCrop,
    RandomShorterSide,
    ResizeShorterSide,
)
from common.data.transforms.view import Box, Patch, View, realize
from common.errors import UsageError
from tests.common.data_fixtures import noise_image

FILTERS = ("bilinear", "area", "nearest", "bicubic")
PAPER = RandomAreaCrop(  # GoogLeNet, Sec. 6
    size=224, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3), resampling=FILTERS
)
STREAM = fold_in(0, 0, 3)


def draw(operation, size, draws, numbers):
    """`numbers(view)` of many draws, an array (draws, ...)."""
    views = tf.data.Dataset.range(draws).map(
        lambda i: tf.stack(numbers(operation(View.whole(*size), ExampleRng(STREAM, i))))
    )
    return np.array(list(views.as_numpy_iterator()))


def windows(operation, size, draws):
    """(top, left, height, width, filter) of many draws."""
    return draw(operation, size, draws, lambda v: [*v.patch.box, v.patch.choice])


def not_uniform(numbers, low, high):
    """Kolmogorov's distance, 1 at the bound that one in 1000 exceeds."""
    ordered = (np.sort(numbers) - low) / (high - low)
    count = len(ordered)
    steps = np.arange(count + 1) / count
    distance = max((ordered - steps[:-1]).max(), (steps[1:] - ordered).max())
    return distance * np.sqrt(count) / 1.95


def test_shorter_side_is_every_whole_number_of_the_interval():
    sides = draw(RandomShorterSide(8, 12), (30, 50), 1000, lambda v: v.canvas)
    counts = np.bincount(sides.min(axis=1), minlength=13)
    assert counts.sum() == counts[8:].sum() == 1000
    assert (abs(counts[8:] - 200) < 45).all()


def test_one_shorter_side_is_a_plain_resize_and_chance_keeps_the_frame():
    view = View.whole(375, 500)
    drawn = RandomShorterSide(256, 256)(view, ExampleRng(STREAM, 0))
    plain = ResizeShorterSide(256)(view, None)
    for resized in (drawn, plain):
        assert [int(n) for n in resized.canvas] == [256, 341]
    assert ResizeShorterSide(320)(view, None).canvas == (320, 427)  # 426.7, rounded
    assert drawn.frame is PAPER(view, ExampleRng(STREAM, 0)).frame is view.frame


@pytest.mark.parametrize("size", [(375, 500), (500, 375), (300, 300)])
def test_share_of_the_area_is_uniform_from_8_to_100_percent(size):
    drawn = windows(PAPER, size, 1000)
    share = drawn[:, 2] * drawn[:, 3] / (size[0] * size[1])
    assert 0.079 < share.min() < 0.09 and 0.99 < share.max() <= 1
    assert not_uniform(share, 0.08, 1.0) < 1


def test_aspect_and_place_are_uniform_and_apart_where_every_window_fits():
    crop = dataclasses.replace(PAPER, area=(0.1, 0.5))
    drawn = windows(crop, (800, 800), 1000)
    aspect = drawn[:, 3] / drawn[:, 2]  # width / height
    assert not_uniform(aspect, 3 / 4, 4 / 3) < 1
    share = drawn[:, 2] * drawn[:, 3]
    place = (drawn[:, :2] / (801 - drawn[:, 2:4])).T
    assert not_uniform(place[0], 0, 1) < 1 and not_uniform(place[1], 0, 1) < 1
    every_two = np.corrcoef([aspect, share, *place, drawn[:, 4]])
    assert abs(every_two - np.eye(5)).max() < 0.1


@pytest.mark.parametrize("size", [(375, 500), (500, 37), (1, 1), (2, 3), (1, 400), (9, 4)])
def test_windows_have_a_permitted_aspect(size):
    _, _, height, width, _ = windows(PAPER, size, 200).T
    assert ((width + 0.51) / (height - 0.51) > 3 / 4).all()
    assert ((width - 0.51) / (height + 0.51) < 4 / 3).all()


def test_long_image_gives_all_areas_that_it_has_windows_for():
    drawn = windows(PAPER, (200, 1800), 800)
    share = drawn[:, 2] * drawn[:, 3] / (200 * 1800)
    assert not_uniform(share, 0.08, 4 / 3 / 9) < 1.2  # rounding adds a little
    drawn = windows(PAPER, (300, 9000), 100)  # 8 % would be 720 wide or more
    assert (drawn[:, 2:4] == [300, 400]).all()
    drawn = windows(PAPER, (9000, 300), 100)
    assert (drawn[:, 2:4] == [400, 300]).all()
    assert np.ptp(drawn[:, 0]) > 8000


def test_every_place_is_reached():
    quarter = RandomAreaCrop(8, (0.25, 0.25), (1.0, 1.0), FILTERS)
    drawn = windows(quarter, (12, 12), 600)
    assert (drawn[:, 2:4] == 6).all()
    counts = np.bincount(drawn[:, 0] * 7 + drawn[:, 1], minlength=49)
    assert counts.shape == (49,) and counts.min() >= 1 and counts.max() < 30


def test_filters_are_equally_likely_and_one_alone_is_certain():
    counts = np.bincount(windows(PAPER, (50, 50), 800)[:, 4])
    assert counts.shape == (4,) and (abs(counts - 200) < 50).all()
    alone = dataclasses.replace(PAPER, resampling=("area",))
    assert (windows(alone, (50, 50), 50)[:, 4] == 0).all()


def test_no_more_of_the_file_is_read_than_the_window_needs():
    """The lower half of the file is missing; the upper rows do not mind."""
    encoded = tf.io.encode_jpeg(noise_image(400, 400), quality=90)
    half = tf.strings.substr(encoded, 0, tf.strings.length(encoded) // 2)
    whole = View.whole(400, 400)
    top, low = (Patch(Box(y, 50, 80, 100), FILTERS, 0) for y in (60, 300))
    image = realize(whole.zoom(top, 32), half, 3, True)
    expected = realize(whole.zoom(top, 32), encoded, 3, True)
    assert (image == expected).numpy().all()
    with pytest.raises(tf.errors.InvalidArgumentError):
        realize(whole.zoom(low, 32), half, 3, True)


@pytest.mark.parametrize(
    "chain",
    [
        (CentreCrop(20), PAPER),
        (ResizeShorterSide(20), PAPER),
        (Pad(2), PAPER),
        (PAPER, PAPER),
        (dataclasses.replace(PAPER, size=32), PAPER),
        (PAPER, ResizeShorterSide(20)),
        (PAPER, RandomShorterSide(20, 30)),
    ],
)
def test_area_crop_comes_first_and_resizes_do_not_follow(chain):
    first, second = chain
    view = first(View.whole(32, 32), ExampleRng(STREAM, 0))
    with pytest.raises(UsageError, match="must come before"):
        second(view, ExampleRng(STREAM, 1))
    corner = View.whole(32, 32).resize(40, 40).crop(0, 0, 32, chance=True)
    with pytest.raises(UsageError, match="must come before"):
        PAPER(corner, ExampleRng(STREAM, 1))


@pytest.mark.parametrize(
    "fields",
    [
        {"area": (0.5, 0.08)},
        {"area": (0.0, 1.0)},
        {"area": (0.08, 1.1)},
        {"aspect": (4 / 3, 3 / 4)},
    ],
)
def test_intervals_that_are_none_are_refused(fields):
    with pytest.raises(UsageError, match="lowest <= highest"):
        dataclasses.replace(PAPER, **fields)(View.whole(9, 9), ExampleRng(STREAM, 0))
    with pytest.raises(UsageError, match="low <= high"):
        RandomShorterSide(480, 256)(View.whole(9, 9), ExampleRng(STREAM, 0))


def test_pixels_are_scaled_and_shares_are_not():
    assert RandomShorterSide(256, 480).scaled(0.25) == RandomShorterSide(64, 120)
    expected = dataclasses.replace(PAPER, size=64)
    assert PAPER.scaled(64 / 224) == expected
