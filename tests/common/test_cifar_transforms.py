"""Zero padding after the mean was subtracted, and fixed normalisations."""

import numpy as np
import pytest
import tensorflow as tf

from common.data.rng import ExampleRng, fold_in
from common.data.statistics import Statistics
from common.data.transforms import (
    CentreCrop,
    Context,
    RandomFlip,
    RandomShift,
    ResizeShorterSide,
    Standardize,
    SubtractChannelMean,
    SubtractMeanImage,
    ZeroBorder,
)
from common.data.transforms.view import View, realize

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8)
MEAN = RNG.uniform(0, 255, (32, 32, 3)).astype("float32")
STATISTICS = Statistics(
    mean_image=MEAN,
    pixel_mean=MEAN.mean((0, 1)).astype("float64"),
    pixel_std=np.ones(3),
    covariance=np.eye(3),
)


def shifted(position):
    view = View.whole(32, 32)
    for place, op in enumerate((RandomShift(4), RandomFlip())):
        view = op(view, ExampleRng(fold_in(0, place), tf.constant(position)))
    return view


def place(view):
    top = int(view.window.top) - int(view.frame.top)
    return top, int(view.window.left) - int(view.frame.left)


def test_a_moved_image_is_a_crop_of_the_mean_free_image_padded_with_zeros():
    # He et al. 2015, Sec. 4.2; padding before the mean is subtracted would
    # leave a negative border.
    padded = np.pad(IMAGE - MEAN, [(4, 4), (4, 4), (0, 0)])
    encoded = tf.io.encode_png(IMAGE)
    for position in range(40):
        view = shifted(position)
        top, left = place(view)
        context = Context(top, left, view.mirrored, STATISTICS)
        image = SubtractMeanImage()(realize(view, encoded, 3, False), context)
        crop = padded[4 + top : 36 + top, 4 + left : 36 + left]
        expected = crop[:, ::-1] if bool(view.mirrored) else crop
        np.testing.assert_allclose(image, expected, atol=1e-4)


def test_zeros_after_the_normalisation_are_padding_of_what_is_normalised():
    # fb.resnet.torch: ColorNormalize, then RandomCrop(32, 4).
    normalize = Standardize(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.1))
    normalized = normalize(IMAGE.astype("float32"), None)
    padded = np.pad(normalized, [(4, 4), (4, 4), (0, 0)])
    encoded = tf.io.encode_png(IMAGE)
    for position in range(40):
        view = shifted(position)
        top, left = place(view)
        context = Context(top, left, view.mirrored, None)
        image = normalize(realize(view, encoded, 3, False), context)
        image = ZeroBorder()(image, context)
        crop = padded[4 + top : 36 + top, 4 + left : 36 + left]
        expected = crop[:, ::-1] if bool(view.mirrored) else crop
        np.testing.assert_allclose(image, expected, atol=1e-5)


def test_all_81_places_are_reached():
    places = {place(shifted(position)) for position in range(1500)}
    assert places == {(y, x) for y in range(-4, 5) for x in range(-4, 5)}


def test_a_shift_scales_with_the_input():
    assert RandomShift(4).scaled(2.0) == RandomShift(8)


def test_an_image_of_the_right_size_is_not_resampled():
    view = CentreCrop(32)(ResizeShorterSide(32)(View.whole(32, 32), None), None)
    image = realize(view, tf.io.encode_png(IMAGE), 3, False)
    np.testing.assert_array_equal(image, IMAGE.astype("float32"))


def test_standardize_is_to_tensor_and_normalize():
    op = Standardize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    found = op(IMAGE.astype("float32"), None)
    for channel, (mean, std) in enumerate(zip(op.mean, op.std, strict=True)):
        expected = (IMAGE[..., channel] / 255 - mean) / std
        assert found[..., channel] == pytest.approx(expected, abs=1e-5)


def test_the_channel_mean_is_one_number_for_each_channel():
    context = Context(0, 0, False, STATISTICS)
    image = SubtractChannelMean()(MEAN, context)
    np.testing.assert_allclose(image.mean((0, 1)), 0, atol=1e-3)
    subtracted = MEAN - image
    np.testing.assert_allclose(subtracted, subtracted[:1, :1] + 0 * MEAN, 1e-5)
