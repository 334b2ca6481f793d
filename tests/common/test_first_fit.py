"""The crop of fb.resnet.torch, against a reading of its Lua text."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from common.data.keys import Key, mix
from common.data.transforms import CentreCrop, FirstFittingAreaCrop
from common.data.transforms.view import View, image_size, realize
from common.errors import UsageError
from tests.common.data_fixtures import noise_image

FB = FirstFittingAreaCrop(
    size=224, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3), attempts=10, resampling=("bicubic",)
)
STREAM = mix(0, 0, 3)


def windows(operation, size, draws):
    """(top, left, height, width) of many draws."""
    views = tf.data.Dataset.range(draws).map(
        lambda i: tf.stack(
            list(vars(operation(View.whole(*size), Key(STREAM, i)).patch.box).values())
        )
    )
    return np.array(list(views.as_numpy_iterator()))


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
    drawn = windows(FB, size, 3000)[:, 2:]
    wanted = of_the_lua_text(size, 10_000)
    np.testing.assert_allclose(facts(drawn, size), facts(wanted, size), atol=0.035)


def test_large_windows_of_a_photograph_are_rare():
    """Simulated from the Lua text: 0.433, 8.9 and 58 %."""
    drawn = windows(FB, (375, 500), 3000)[:, 2:]
    share = drawn.prod(axis=1) / (375 * 500)
    assert share.mean() == pytest.approx(0.433, abs=0.015)
    assert (share > 0.75).mean() == pytest.approx(0.089, abs=0.02)
    wide = (drawn[:, 1] > drawn[:, 0]).mean()
    assert wide == pytest.approx(0.58, abs=0.035)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (9, 4), (40, 300)])
def test_windows_are_inside_and_at_every_place(size):
    top, left, height, width = windows(FB, size, 600).T
    assert (top >= 0).all() and (left >= 0).all()
    assert (height >= 1).all() and (width >= 1).all()
    assert (top + height <= size[0]).all() and (left + width <= size[1]).all()
    room = size[0] - height, size[1] - width
    for place, left_over in zip((top, left), room, strict=True):
        if left_over.max() > 0:
            share = (place / np.maximum(left_over, 1))[left_over > 0]
            assert share.min() < 0.1 and share.max() > 0.9


@pytest.mark.parametrize("attempts", [1, 10])
def test_what_never_fits_is_the_square_in_the_middle(attempts):
    crop = dataclasses.replace(FB, attempts=attempts)
    drawn = windows(crop, (100, 700), 800)
    lua = of_the_lua_text((100, 700), 4000, attempts)
    fell = (drawn == [0, 300, 100, 100]).all(axis=1)
    expected = (lua == 0).all(axis=1).mean()
    assert expected > 0.1
    assert fell.mean() == pytest.approx(expected, abs=0.06)
    # Of 1 : 20 no window fits: 8 % of the area is 5 times as high as wide.
    assert (windows(crop, (2000, 101), 30) == [950, 0, 101, 101]).all()


def test_the_fallback_is_fbs_resized_and_cut_image():
    """Scale(32) by the shorter side, and then CenterCrop(32)."""
    encoded = tf.io.encode_png(noise_image(64, 1280))
    crop = dataclasses.replace(FB, size=32)
    view = crop(View.whole(*image_size(encoded, False)), Key(STREAM, 0))
    image = realize(view, encoded, 3, False).numpy()
    pixels = tf.io.decode_png(encoded)
    scaled = tf.image.resize(pixels, (32, 640), method="bicubic")
    expected = np.clip(scaled[:, 304:336], 0, 255)
    # Keys's cubic looks two pixels beyond the edges.
    np.testing.assert_allclose(image[:, 1:-1], expected[:, 1:-1], atol=0.02)


def test_shares_and_attempts_do_not_scale():
    assert FB.scaled(0.5) == dataclasses.replace(FB, size=112)


def test_it_comes_first_and_keeps_the_frame():
    view = View.whole(64, 64)
    assert FB(view, Key(STREAM, 0)).frame is view.frame
    with pytest.raises(UsageError, match="must come before"):
        FB(CentreCrop(32)(view, None), Key(STREAM, 0))
