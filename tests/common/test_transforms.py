import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from common.data.rng import BatchRng, ExampleRng, draw_uniform, fold_in
from common.data.transforms import (
    CentreCrop,
    Context,
    Pad,
    PcaColourNoise,
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomShift,
    ResizeShorterSide,
    ScalePixels,
    Standardize,
    SubtractCentreMean,
    SubtractChannelMean,
    SubtractMeanImage,
    UntilEpoch,
    ZeroBorder,
    active,
)
from common.data.transforms.view import View, image_size, realize
from common.errors import UsageError
from tests.common.data_fixtures import noise_image, statistics_of

FRAME = (ResizeShorterSide(64), CentreCrop(64))
NO_AFFINE = dict(translate_pixels=0.0, scale=0.0, squeeze=0.0, shear=0.0)


STREAM = fold_in(0, 0, 0)


def key(position=0, stream=STREAM):
    return ExampleRng(stream, position)


def view_of(encoded, transforms, position=0, jpeg=None):
    view = View.whole(*image_size(encoded, jpeg))
    for place, transform in enumerate(transforms):
        view = transform(view, key(position, fold_in(7, place)))
    return view


def encode(image, kind):
    if kind == "png":
        return tf.io.encode_png(image)
    return tf.io.encode_jpeg(image, quality=90)


def slow(encoded, size, channels=3):
    """Full decode, full resize: what a view must agree with."""
    image = tf.io.decode_image(encoded, channels)
    if tf.io.is_jpeg(encoded):
        image = tf.io.decode_jpeg(encoded, channels, dct_method="INTEGER_ACCURATE")
    height, width = image.shape[:2]
    short = min(height, width)
    sides = [(side * size + short // 2) // short for side in (height, width)]
    return tf.image.resize(image, sides, antialias=True).numpy()


@pytest.mark.parametrize("kind", ["jpeg", "png"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(91, 130), (301, 420), (64, 64), (33, 50)])
def test_crop_of_resized_equals_the_slow_way(kind, channels, size):
    encoded = encode(noise_image(*size, channels=channels), kind)
    full = slow(encoded, 64)
    top, left = (full.shape[0] - 64) // 2, (full.shape[1] - 64) // 2
    for position in range(4):
        view = view_of(encoded, (*FRAME, RandomCrop(40), RandomFlip()), position)
        image = realize(view, encoded, 3, None).numpy()
        y = top + int(view.window.top - view.frame.top)
        x = left + int(view.window.left - view.frame.left)
        expected = full[y : y + 40, x : x + 40]
        if view.mirrored:
            expected = expected[:, ::-1]
        np.testing.assert_allclose(image, expected, atol=0.01)


@pytest.mark.parametrize("size", [(91, 130), (64, 64), (57, 41)])
def test_crop_that_keeps_the_size_equals_the_slow_way(size):
    encoded = encode(noise_image(*size), "jpeg")
    full = tf.io.decode_jpeg(encoded, dct_method="INTEGER_ACCURATE").numpy()
    for position in range(6):
        view = view_of(encoded, (RandomCrop(32),), position)
        y, x = int(view.window.top), int(view.window.left)
        image = realize(view, encoded, 3, True).numpy()
        assert (image == full[y : y + 32, x : x + 32]).all()


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_eager_and_inside_a_map_agree(kind):
    encoded = encode(noise_image(91, 130), kind)
    transforms = (*FRAME, RandomCrop(40), RandomFlip())

    def image_at(position):
        view = View.whole(*image_size(encoded, None))
        for transform in transforms:
            view = transform(view, ExampleRng(5, position))
        return realize(view, encoded, 3, None)

    mapped = tf.data.Dataset.range(5).map(image_at)
    assert mapped.element_spec.shape == (40, 40, 3)
    for position, image in enumerate(mapped):
        eager = image_at(tf.constant(position, tf.int64))
        np.testing.assert_allclose(image, eager, atol=1e-3)


def test_grey_jpeg_becomes_rgb_and_colour_becomes_grey():
    grey = encode(noise_image(70, 70, channels=1), "jpeg")
    image = realize(view_of(grey, FRAME), grey, 3, None).numpy()
    assert image.shape == (64, 64, 3) and np.ptp(image, axis=2).max() < 1e-3
    colour = encode(noise_image(70, 70), "jpeg")
    assert realize(view_of(colour, FRAME), colour, 1, None).shape[2] == 1


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    image = pytest.importorskip("PIL.Image")
    ink = image.fromarray(noise_image(64, 64)).convert("CMYK")
    ink.save(tmp_path / "cmyk.jpg")
    encoded = tf.constant((tmp_path / "cmyk.jpg").read_bytes())
    seen = realize(View.whole(64, 64), encoded, 3, None).numpy()
    stored = image.open(tmp_path / "cmyk.jpg").convert("RGB")
    np.testing.assert_array_equal(seen, np.asarray(stored))


def test_pad_adds_zeros_and_static_sizes_stay_static():
    encoded = tf.io.encode_png(np.full((28, 28, 1), 9, np.uint8))
    view = Pad(2)(View.whole(28, 28), key())
    image = realize(view, encoded, 1, False).numpy()
    assert image.shape == (32, 32, 1)
    assert (image[2:30, 2:30] == 9).all()
    assert image.sum() == 9 * 28 * 28


def test_crops_of_a_padded_image_reach_into_the_padding():
    image = noise_image(32, 32)
    encoded = tf.io.encode_png(image)
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)))
    for position in range(8):
        view = RandomCrop(32)(Pad(4)(View.whole(32, 32), key()), key(position))
        y, x = int(view.window.top) + 4, int(view.window.left) + 4
        cut = realize(view, encoded, 3, False).numpy()
        assert (cut == padded[y : y + 32, x : x + 32]).all()


def many(operation, count, stream=STREAM):
    """The draws of `key(0)`, `key(1)` ..., all at a time."""
    return BatchRng(draw_uniform(stream, np.arange(count), operation.uniforms))


def test_random_crop_has_33_places_each_way():  # net 145; not 32 as Sec. 4.1
    crop = RandomCrop(224)
    window = crop(View.whole(256, 256), many(crop, 700)).window
    drawn = np.stack([window.top, window.left], 1)
    for axis in drawn.T:
        assert set(axis) == set(range(33))
        assert abs(axis.mean() - 16) < 1.5
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.15


def test_half_of_the_images_are_flipped():
    flips = RandomFlip()(View.whole(8, 8), many(RandomFlip(), 400)).mirrored.numpy()
    assert flips.shape == (400,) and 160 < sum(flips) < 240


def test_crop_after_flip_is_a_crop_of_the_mirror_image():
    image = noise_image(20, 20)
    view = View.whole(20, 20).mirror(tf.constant(True))
    view = view.crop(3, 1, 8, chance=True)
    cut = realize(view, tf.io.encode_png(image), 3, False).numpy()
    assert (cut == image[:, ::-1][3:11, 1:9]).all()


def test_crops_of_too_little_and_resizes_of_crops_are_refused():
    with pytest.raises(UsageError, match="before crops"):
        ResizeShorterSide(16)(CentreCrop(20)(View.whole(32, 32), key()), key())
    with pytest.raises(UsageError, match="a crop of 33"):
        CentreCrop(33)(View.whole(32, 32), key())
    with pytest.raises(tf.errors.InvalidArgumentError, match="smaller"):
        view_of(encode(noise_image(40, 90), "png"), (CentreCrop(41),))


STATISTICS = statistics_of(
    np.arange(8 * 8 * 3, dtype=np.float32).reshape(8, 8, 3), [[9.0, 5, 4], [5, 16, 3], [4, 3, 25]]
)


def context(top=0, left=0, mirrored=False, position=0):
    return Context(top, left, mirrored, STATISTICS, key(position))


def test_centre_mean_stays_at_the_centre():
    expected = -STATISTICS.mean_image[2:6, 2:6]
    moved = SubtractCentreMean()(tf.zeros((4, 4, 3)), context(4, 0, True))
    assert (moved == expected).numpy().all()


def test_mean_image_of_another_size_is_refused():
    for operation in (SubtractMeanImage(), SubtractCentreMean()):
        with pytest.raises(UsageError, match="mean image of"):
            operation(tf.zeros((9, 9, 3)), context())


def test_scale_pixels_has_lenets_ends():  # LeNet-5, Sec. II-B
    image = ScalePixels(-0.1, 1.175)(tf.constant([0.0, 255.0]), context())
    np.testing.assert_allclose(image, [-0.1, 1.175], atol=1e-6)


def noise(count, **fields):
    operation = PcaColourNoise(**fields)
    draws = tf.data.Dataset.range(count).map(
        lambda p: operation(tf.zeros((2, 2, 3)), context(position=p))
    )
    return np.array(list(draws.as_numpy_iterator()))


def test_colour_noise_has_a_hundredth_of_the_covariance():
    """Cov(sum a_i s_i p_i) = std^2 P diag(s^2) P^T = std^2 Cov(RGB)."""
    drawn = noise(2000, std=0.1, shrink=1.0)
    assert (np.ptp(drawn, axis=(1, 2)) == 0).all()  # one draw per image
    measured = np.cov(drawn[:, 0, 0].T)
    np.testing.assert_allclose(measured, 0.01 * STATISTICS.covariance, atol=0.015)


def test_colour_noise_shrinks_the_image_with_the_noise():
    plain = noise(3, std=0.1, shrink=1.0)
    np.testing.assert_allclose(noise(3, std=0.1, shrink=1.1), plain / 1.1, rtol=1e-5)
    shrunk = PcaColourNoise(std=0.0, shrink=1.1)
    assert abs(shrunk(tf.fill((1, 1, 3), 11.0), context())[0, 0, 0] - 10) < 1e-5


def affine(image, position=0, probability=1.0, **amplitudes):
    operation = RandomAffine(probability=probability, **{**NO_AFFINE, **amplitudes})
    return operation(image, context(position=position)).numpy()


def blob():
    """Smooth, so that resampling does not blur it much; 64 x 64."""
    y, x = np.mgrid[-31.5:32, -31.5:32]
    return tf.constant(200 * np.exp(-(y * y) / 72 - x * x / 32)[..., None], tf.float32)


def centre_of_mass(image):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    weights = image[..., 0] / image.sum()
    return np.array([(y * weights).sum(), (x * weights).sum()])


def moments(image):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    weights = image[..., 0] / image.sum()
    cy, cx = centre_of_mass(image)
    y, x = y - cy, x - cx
    return [(m * weights).sum() for m in (y * y, x * x, x * y)]


def test_affine_translates_both_ways_within_the_amplitude():
    np.testing.assert_allclose(affine(blob()), blob(), atol=1e-3)  # of amplitude 0
    start = centre_of_mass(blob().numpy())
    moved = np.array(
        [centre_of_mass(affine(blob(), i, translate_pixels=3.0)) - start for i in range(100)]
    )
    assert np.abs(moved).max() <= 3.01
    assert (moved.min(0) < -2).all() and (moved.max(0) > 2).all()
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.3


def test_affine_scale_keeps_the_shape_and_the_centre():
    for position in range(10):
        image = affine(blob(), position, scale=0.3)
        before, after = moments(blob().numpy()), moments(image)
        assert after[0] / before[0] == pytest.approx(after[1] / before[1], rel=0.05)
        np.testing.assert_allclose(centre_of_mass(image), centre_of_mass(blob().numpy()), atol=0.05)


def test_affine_squeeze_keeps_the_area():
    before = moments(blob().numpy())
    for position in range(10):
        image = affine(blob(), position, squeeze=0.3)
        after = moments(image)
        product = after[0] * after[1] / (before[0] * before[1])
        assert product == pytest.approx(1, abs=0.08)
        assert image.sum() == pytest.approx(blob().numpy().sum(), rel=0.05)


def test_affine_shear_moves_rows_sideways():
    vertical = moments(blob().numpy())[0]
    for position in range(10):
        image = affine(blob(), position, shear=0.3)
        draw = 2 * float(key(position).uniform(6)[4]) - 1
        after = moments(image)
        assert after[0] == pytest.approx(vertical, rel=0.02)
        assert after[2] == pytest.approx(0.3 * draw * vertical, abs=0.15)


def test_affine_leaves_a_share_as_it_is():
    distort = RandomAffine(probability=0.9, **NO_AFFINE | {"translate_pixels": 3.0})
    images = tf.repeat(blob()[None], 300, axis=0)
    found = distort(images, Context(0, 0, False, None, many(distort, 300)))
    off = np.abs(found - images).max(axis=(1, 2, 3))
    assert 15 <= (off < 1e-3).sum() <= 45


def test_until_epoch_is_off_from_that_epoch_on():
    chain = (RandomFlip(), UntilEpoch(67, ScalePixels(0, 1)), Pad(1))
    assert active(chain, 66) == [(0, RandomFlip()), (1, ScalePixels(0, 1)), (2, Pad(1))]
    assert active(chain, 67) == [(0, RandomFlip()), (2, Pad(1))]


def test_sizes_are_rounded_and_other_fields_kept_when_scaled():
    for transform in (ResizeShorterSide, CentreCrop, RandomCrop):
        assert transform(256).scaled(64 / 224).size == 73
    noise = PcaColourNoise(std=0.1, shrink=1.1)
    assert UntilEpoch(3, noise).scaled(0.5) == UntilEpoch(3, noise)
    assert Pad(2).scaled(2.0) == Pad(4) and RandomShift(4).scaled(2.0) == RandomShift(8)
    shifted = RandomAffine(probability=0.9, **NO_AFFINE | {"shear": 0.2})
    shifted = dataclasses.replace(shifted, translate_pixels=2.0)
    assert shifted.scaled(0.5).translate_pixels == 1.0
    assert shifted.scaled(0.5).shear == 0.2


def test_keys_differ_by_position_and_stream():
    draws = {
        float(key(position, fold_in(seed, epoch, place)).uniform(1)[0])
        for position in range(3)
        for seed in range(2)
        for epoch in range(2)
        for place in range(2)
    }
    assert len(draws) == 24


# Zero padding after the mean was subtracted, and fixed normalisations

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8)
MEAN = RNG.uniform(0, 255, (32, 32, 3)).astype("float32")
MOVED = statistics_of(MEAN)


def shifted(position):
    view = View.whole(32, 32)
    for place, op in enumerate((RandomShift(4), RandomFlip())):
        view = op(view, ExampleRng(fold_in(0, place), tf.constant(position)))
    return view


def place(view):
    top = int(view.window.top) - int(view.frame.top)
    return top, int(view.window.left) - int(view.frame.left)


# He et al. 2015, Sec. 4.2: padding before the mean is subtracted would leave a
# negative border. fb.resnet.torch: ColorNormalize, then RandomCrop(32, 4).
@pytest.mark.parametrize(
    "operations",
    [
        (SubtractMeanImage(),),
        (Standardize(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.1)), ZeroBorder()),
    ],
)
def test_a_moved_image_is_a_crop_of_the_normalized_image_padded_with_zeros(operations):
    normalize = operations[0]
    whole = normalize(IMAGE.astype("float32"), Context(0, 0, False, MOVED))
    padded = np.pad(whole, [(4, 4), (4, 4), (0, 0)])
    encoded = tf.io.encode_png(IMAGE)
    for position in range(20):
        view = shifted(position)
        top, left = place(view)
        image = realize(view, encoded, 3, False)
        for operation in operations:
            image = operation(image, Context(top, left, view.mirrored, MOVED))
        crop = padded[4 + top : 36 + top, 4 + left : 36 + left]
        expected = crop[:, ::-1] if bool(view.mirrored) else crop
        np.testing.assert_allclose(image, expected, atol=1e-5)


def test_the_whole_mean_image_is_subtracted_at_its_place():
    image = SubtractMeanImage()(IMAGE.astype("float32"), Context(0, 0, False, MOVED))
    np.testing.assert_allclose(image, IMAGE - MEAN, atol=1e-4)


def test_all_81_places_are_reached():
    window = RandomShift(4)(View.whole(32, 32), many(RandomShift(4), 1500)).window
    places = set(zip(window.top.numpy(), window.left.numpy(), strict=True))
    assert places == {(y, x) for y in range(-4, 5) for x in range(-4, 5)}


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
    context = Context(0, 0, False, MOVED)
    image = SubtractChannelMean()(MEAN, context)
    np.testing.assert_allclose(image.mean((0, 1)), 0, atol=1e-3)
    subtracted = MEAN - image
    np.testing.assert_allclose(subtracted, subtracted[:1, :1] + 0 * MEAN, 1e-5)
