"""Random scales: the papers' rules, and fb.resnet.torch's and TensorFlow's own code."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from common.data.rng import BatchRng, ExampleRng, draw_uniform, fold_in
from common.data.transforms import (
    CentreCrop,
    DistortedBoxCrop,
    FirstFittingAreaCrop,
    Pad,
    RandomAreaCrop,
    RandomShorterSide,
    ResizeShorterSide,
)
from common.data.transforms.resampling import FILTERS
from common.data.transforms.view import Box, Patch, View, image_size, realize
from common.errors import UsageError
from tests.common.data_fixtures import noise_image

PAPER = RandomAreaCrop(  # GoogLeNet, Sec. 6
    size=224, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3), resampling=FILTERS
)
FB = FirstFittingAreaCrop(
    size=224, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3), attempts=10, resampling=("bicubic",)
)
RELEASE = DistortedBoxCrop(
    size=299,
    area=(0.05, 1.0),
    aspect=(0.75, 1.33),
    covered=0.1,
    attempts=100,
    resampling=FILTERS,
)
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
DRAWS = 1500
STREAM = fold_in(0, 0, 3)


def windows(operation, size, draws):
    """(top, left, height, width, filter) of many draws."""

    def numbers(rng):
        patch = operation(View.whole(*size), rng).patch
        return tf.stack([*patch.box, patch.choice], axis=-1)

    if isinstance(operation, RandomAreaCrop):  # the same, all at a time
        return numbers(BatchRng(draw_uniform(STREAM, np.arange(draws), 5))).numpy()
    views = tf.data.Dataset.range(draws).map(lambda i: numbers(ExampleRng(STREAM, i)))
    return np.array(list(views.as_numpy_iterator()))


def not_uniform(numbers, low, high):
    """Kolmogorov's distance, 1 at the bound that one in 1000 exceeds."""
    distance = stats.kstest(numbers, "uniform", (low, high - low)).statistic
    return distance * np.sqrt(len(numbers)) / 1.95


def test_shorter_side_is_every_whole_number_of_the_interval():
    rng = BatchRng(draw_uniform(STREAM, np.arange(1000), 1))
    sides = np.stack(RandomShorterSide(8, 12)(View.whole(30, 50), rng).canvas, 1)
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
    assert drawn.frame is view.frame
    assert RandomShorterSide(256, 480).scaled(0.25) == RandomShorterSide(64, 120)


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


def of_the_lua_text(size, draws, attempts=10):
    """(height, width) of many draws of M.RandomSizedCrop; 0 where it fell."""
    rng, found = np.random.default_rng(0), []
    for _ in range(draws):
        chosen = (0, 0)
        for _ in range(attempts):
            area = rng.uniform(0.08, 1.0) * size[0] * size[1]
            ratio = rng.uniform(3 / 4, 4 / 3)
            width = round(np.sqrt(area * ratio))
            height = round(np.sqrt(area / ratio))
            if rng.uniform() < 0.5:
                width, height = height, width
            if height <= size[0] and width <= size[1]:
                chosen = (height, width)
                break
        found.append(chosen)
    return np.array(found)


def facts(sides, size):
    """Shares of windows, and the mean area: what tells the samplings apart."""
    share = sides[:, 0] * sides[:, 1] / (size[0] * size[1])
    quantiles = np.quantile(share, [0.1, 0.25, 0.5, 0.75, 0.9])
    wide = (sides[:, 1] > sides[:, 0]).mean()
    return [*quantiles, share.mean(), (share > 0.75).mean(), wide]


@pytest.mark.parametrize("size", [(375, 500), (500, 375), (300, 300)])
def test_windows_are_those_of_the_lua_text(size):
    drawn = windows(FB, size, DRAWS)[:, 2:4]
    wanted = of_the_lua_text(size, 3000)
    np.testing.assert_allclose(facts(drawn, size), facts(wanted, size), atol=0.035)


@pytest.mark.parametrize("size", [(1, 1), (9, 4), (37, 50), (40, 300)])
@pytest.mark.parametrize("crop", [FB, RELEASE, PAPER])
def test_windows_are_inside_and_at_every_place(crop, size):
    drawn = windows(crop, size, 400)
    top, left, height, width, _ = drawn.T
    assert (drawn[:, :2] >= 0).all() and (drawn[:, 2:4] >= 1).all()
    assert (top + height <= size[0]).all() and (left + width <= size[1]).all()
    room = size[0] - height, size[1] - width
    for place, left_over in zip((top, left), room, strict=True):
        if left_over.max() > 0:
            share = (place / np.maximum(left_over, 1))[left_over > 0]
            assert share.min() < 0.1 and share.max() > 0.9
    if crop is RELEASE and size in [(9, 4), (37, 50)]:
        for side in (top, left, room[0] - top, room[1] - left):
            assert side.min() == 0 < side.max()


@pytest.mark.parametrize("attempts", [1, 10])
def test_what_never_fits_is_the_square_in_the_middle(attempts):
    crop = dataclasses.replace(FB, attempts=attempts)
    drawn = windows(crop, (100, 700), 600)
    lua = of_the_lua_text((100, 700), 2000, attempts)
    fell = (drawn[:, :4] == [0, 300, 100, 100]).all(axis=1)
    expected = (lua == 0).all(axis=1).mean()
    assert expected > 0.1
    assert fell.mean() == pytest.approx(expected, abs=0.06)
    # Of 1 : 20 no window fits: 8 % of the area is 5 times as high as wide.
    assert (windows(crop, (2000, 101), 30)[:, :4] == [950, 0, 101, 101]).all()


def test_the_fallback_is_fbs_resized_and_cut_image():
    """Scale(32) by the shorter side, and then CenterCrop(32)."""
    encoded = tf.io.encode_png(noise_image(64, 1280))
    crop = dataclasses.replace(FB, size=32)
    view = crop(View.whole(*image_size(encoded, False)), ExampleRng(STREAM, 0))
    image = realize(view, encoded, 3, False).numpy()
    pixels = tf.io.decode_png(encoded)
    scaled = tf.image.resize(pixels, (32, 640), method="bicubic")
    expected = np.clip(scaled[:, 304:336], 0, 255)
    # Keys's cubic looks two pixels beyond the edges.
    np.testing.assert_allclose(image[:, 1:-1], expected[:, 1:-1], atol=0.02)


def tensorflows(size, draws):
    """(top, left, height, width) of many draws of TensorFlow's operation."""

    def one(position):
        start, shape, _ = tf.image.stateless_sample_distorted_bounding_box(
            (*size, 3),
            tf.zeros((1, 0, 4)),
            seed=tf.stack([position, position + 1]),
            min_object_covered=0.1,
            aspect_ratio_range=(0.75, 1.33),
            area_range=(0.05, 1.0),
            max_attempts=100,
            use_image_if_no_bounding_boxes=True,
        )
        return tf.concat([start[:2], shape[:2]], 0)

    views = tf.data.Dataset.range(draws).map(one)
    return np.array(list(views.as_numpy_iterator()))


def shares(drawn, size):
    return drawn[:, 2] * drawn[:, 3] / (size[0] * size[1])


@pytest.mark.parametrize(("size", "draws"), [((375, 500), 4000), ((200, 1800), DRAWS)])
def test_windows_are_as_large_and_as_wide_as_tensorflows(size, draws):
    ours, theirs = windows(RELEASE, size, draws), tensorflows(size, draws)
    assert shares(ours, size).min() >= 0.1
    for number in (lambda drawn: shares(drawn, size), lambda drawn: drawn[:, 3] / drawn[:, 2]):
        np.testing.assert_allclose(
            np.quantile(number(ours), QUANTILES), np.quantile(number(theirs), QUANTILES), atol=0.02
        )
        assert abs(number(ours).mean() - number(theirs).mean()) < 0.01


def test_a_window_that_rounding_makes_too_wide_is_drawn_again():
    """5 rows of an aspect of 1.5 are 7.5 wide, which rounds to 8."""
    wide = dataclasses.replace(RELEASE, aspect=(1.5, 1.5))
    drawn = windows(wide, (6, 7), 200)
    assert {tuple(n) for n in drawn[:, 2:4]} == {(2, 3), (3, 4), (4, 6)}


def test_image_with_no_window_is_taken_whole():
    """Of a strip of 1:20, no window of an aspect below 1.33 has a tenth."""
    for size in ((100, 2000), (2000, 100)):
        drawn = windows(RELEASE, size, 20)
        assert (drawn[:, :4] == [0, 0, *size]).all()
        assert (tensorflows(size, 20) == [0, 0, *size]).all()


def test_a_window_that_covers_too_little_is_drawn_again():
    half = dataclasses.replace(RELEASE, covered=0.5)
    assert shares(windows(half, (375, 500), 400), (375, 500)).min() >= 0.5
    once = dataclasses.replace(RELEASE, attempts=1)
    share = shares(windows(once, (375, 500), DRAWS), (375, 500))
    every = dataclasses.replace(once, covered=0.0)  # the same draws
    small = shares(windows(every, (375, 500), DRAWS), (375, 500)) < 0.1
    assert 0.1 < small.mean() < 0.2
    assert abs((share == 1).mean() - small.mean()) < 0.02


def test_largest_area_is_kept():
    half = dataclasses.replace(RELEASE, area=(0.05, 0.5))
    share = shares(windows(half, (375, 500), 800), (375, 500))
    assert 0.45 < share.max() <= 0.5


def test_aspect_height_place_and_filter_are_drawn_apart():
    drawn = windows(dataclasses.replace(RELEASE, area=(0.1, 0.5)), (800, 800), DRAWS)
    place = (drawn[:, :2] / (801 - drawn[:, 2:4])).T
    aspect = drawn[:, 3] / drawn[:, 2]
    share = shares(drawn, (800, 800))
    # the highest window depends on the aspect, so that the area does a little
    every_two = np.corrcoef([aspect, share, *place, drawn[:, 4]])
    assert abs(every_two - np.eye(5)).max() < 0.08
    assert (abs(np.bincount(drawn[:, 4]) - DRAWS / 4) < DRAWS / 20).all()


@pytest.mark.parametrize("crop", [FB, RELEASE, PAPER])
def test_they_come_first_keep_the_frame_and_scale_their_size_alone(crop):
    view = View.whole(64, 64)
    assert crop(view, ExampleRng(STREAM, 0)).frame is view.frame
    with pytest.raises(UsageError, match="must come before"):
        crop(CentreCrop(32)(view, None), ExampleRng(STREAM, 0))
    assert crop.scaled(151 / crop.size) == dataclasses.replace(crop, size=151)
