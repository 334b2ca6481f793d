"""TensorFlow's random crop: against the operation itself."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from common.data.keys import Key, mix
from common.data.transforms import CentreCrop, DistortedBoxCrop
from common.data.transforms.view import View
from common.errors import UsageError

RELEASE = DistortedBoxCrop(
    size=299,
    area=(0.05, 1.0),
    aspect=(0.75, 1.33),
    covered=0.1,
    attempts=100,
    resampling=("bilinear", "area", "nearest", "bicubic"),
)
DRAWS = 4000
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def windows(operation, size, draws=DRAWS):
    """(top, left, height, width, filter) of many draws."""

    def one(position):
        key = Key(mix(0, 0, 3), position)
        patch = operation(View.whole(*size), key).patch
        return tf.stack([*vars(patch.box).values(), patch.choice])

    views = tf.data.Dataset.range(draws).map(one)
    return np.array(list(views.as_numpy_iterator()))


def tensorflows(size, draws=DRAWS):
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


@pytest.mark.parametrize("size", [(375, 500), (200, 1800)])
def test_windows_are_as_large_and_as_wide_as_tensorflows(size):
    ours, theirs = windows(RELEASE, size), tensorflows(size)
    assert shares(ours, size).min() >= 0.1
    for number in (lambda drawn: shares(drawn, size), lambda drawn: drawn[:, 3] / drawn[:, 2]):
        np.testing.assert_allclose(
            np.quantile(number(ours), QUANTILES), np.quantile(number(theirs), QUANTILES), atol=0.02
        )
        assert abs(number(ours).mean() - number(theirs).mean()) < 0.01


@pytest.mark.parametrize("size", [(37, 50), (9, 4), (300, 301)])
def test_windows_are_inside_and_reach_every_border(size):
    drawn = windows(RELEASE, size, 800)
    top, left, height, width, _ = drawn.T
    assert (drawn[:, :2] >= 0).all() and (drawn[:, 2:4] >= 1).all()
    rest = size[0] - top - height, size[1] - left - width
    for side in (top, left, *rest):
        assert side.min() == 0 < side.max()


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
    share = shares(windows(once, (375, 500), 2000), (375, 500))
    every = dataclasses.replace(RELEASE, covered=0.0)
    small = shares(windows(every, (375, 500), 2000), (375, 500)) < 0.1
    assert 0.1 < small.mean() < 0.2
    assert abs((share == 1).mean() - small.mean()) < 0.02


def test_largest_area_is_kept():
    half = dataclasses.replace(RELEASE, area=(0.05, 0.5))
    share = shares(windows(half, (375, 500), 800), (375, 500))
    assert 0.45 < share.max() <= 0.5


def test_aspect_height_place_and_filter_are_drawn_apart():
    drawn = windows(dataclasses.replace(RELEASE, area=(0.1, 0.5)), (800, 800))
    place = (drawn[:, :2] / (801 - drawn[:, 2:4])).T
    aspect = drawn[:, 3] / drawn[:, 2]
    share = shares(drawn, (800, 800))
    # the highest window depends on the aspect, so that the area does a little
    every_two = np.corrcoef([aspect, share, *place, drawn[:, 4]])
    assert abs(every_two - np.eye(5)).max() < 0.08
    assert (abs(np.bincount(drawn[:, 4]) - DRAWS / 4) < DRAWS / 20).all()


def test_it_comes_first_and_leaves_the_frame():
    view = View.whole(32, 48)
    assert RELEASE(view, Key(1, 0)).frame is view.frame
    with pytest.raises(UsageError, match="must come before"):
        RELEASE(CentreCrop(20)(view, Key(1, 0)), Key(1, 1))


def test_pixels_are_scaled_and_shares_are_not():
    expected = dataclasses.replace(RELEASE, size=151)
    assert RELEASE.scaled(151 / 299) == expected
