import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from common.data.examples import context_of
from common.data.rng import BatchRng, ExampleRng, draw_uniform, fold_in
from common.data.transforms import (
    CentreCrop,
    Context,
    Pad,
    PcaColourNoise,
    RandomAffine,
    RandomAreaCrop,
    RandomCrop,
    RandomFlip,
    RandomShift,
    RandomShorterSide,
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


def slow(view, encoded):
    """Full decode, full resize, full padding and a cut: what a view must agree with."""
    image = tf.io.decode_png(encoded, 3)
    if tf.io.is_jpeg(encoded):
        image = tf.io.decode_jpeg(encoded, 3, dct_method="INTEGER_ACCURATE")
    canvas = [int(side) for side in view.canvas]
    if view.patch:
        top, left, height, width = map(int, view.patch.box)
        image = tf.image.resize(image[top:, left:][:height, :width], canvas)
    elif canvas != image.shape[:2]:
        image = tf.image.resize(image, canvas, antialias=True)
    top, left, height, width = (int(side) for side in view.window)
    padded = np.pad(image, ((9, 9), (9, 9), (0, 0)))
    seen = padded[top + 9 :, left + 9 :][:height, :width]
    return seen[:, ::-1] if view.mirrored else seen


AREA = RandomAreaCrop(40, (0.08, 1.0), (3 / 4, 4 / 3), ("bilinear",))


@pytest.mark.parametrize(
    ("kind", "channels", "size", "transforms"),
    [
        ("jpeg", 3, (301, 420), (*FRAME, RandomCrop(40), RandomFlip())),
        ("jpeg", 1, (91, 130), (*FRAME, RandomCrop(40), RandomFlip())),
        ("jpeg", 3, (33, 50), (*FRAME, RandomFlip(), RandomCrop(40))),
        ("png", 3, (64, 64), (*FRAME, RandomCrop(40), RandomFlip())),
        ("png", 1, (91, 130), (*FRAME, RandomCrop(40), RandomFlip())),
        ("jpeg", 3, (91, 130), (RandomShorterSide(40, 60), RandomCrop(40))),
        ("jpeg", 3, (130, 91), (RandomShorterSide(40, 60), RandomCrop(40))),
        ("jpeg", 3, (33, 50), (RandomShorterSide(40, 60), RandomCrop(40))),
        ("jpeg", 3, (91, 130), (RandomCrop(32),)),
        ("jpeg", 3, (57, 41), (RandomCrop(32),)),
        ("png", 3, (64, 64), (Pad(4), RandomCrop(64))),
        ("png", 3, (90, 70), (AREA, RandomFlip(), Pad(4), RandomCrop(40))),
    ],
)
def test_a_view_is_what_the_slow_way_cuts(kind, channels, size, transforms):
    encoded, canvases = encode(noise_image(*size, channels=channels), kind), set()
    images = tf.data.Dataset.range(6).map(
        lambda position: realize(view_of(encoded, transforms, position), encoded, 3, None)
    )
    for position, found in enumerate(images):
        view = view_of(encoded, transforms, position)  # eager
        expected = slow(view, encoded)
        assert images.element_spec.shape == expected.shape
        canvas = tuple(map(int, view.canvas))
        resampled = view.patch or canvas != size
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.01 if resampled else 0)
        canvases.add(canvas)
    if isinstance(transforms[0], RandomShorterSide):
        assert len(canvases) > 3
        assert all(abs(high / wide - size[0] / size[1]) < 0.03 for high, wide in canvases)


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


def blob():
    """Smooth, so that resampling does not blur it much; 64 x 64."""
    y, x = np.mgrid[-31.5:32, -31.5:32]
    return tf.constant(200 * np.exp(-(y * y) / 72 - x * x / 32)[..., None], tf.float32)


@pytest.mark.parametrize(
    "amplitudes",
    [
        {},
        {"translate_pixels": 3.0},
        {"scale": 0.3},
        {"squeeze": 0.3},
        {"shear": 0.3},
        {"translate_pixels": 2.0, "scale": 0.2, "squeeze": 0.1, "shear": 0.3},
    ],
    ids=lambda amplitudes: "+".join(amplitudes),
)
def test_affine_is_scipys_of_what_was_drawn(amplitudes):
    """x' = a x + shear y + right, y' = b y + down, about the centre."""
    most = NO_AFFINE | amplitudes
    operation = RandomAffine(probability=1.0, **most)
    for position in range(10):
        found = operation(blob(), context(position=position)).numpy()
        right, down, scale, squeeze, shear, _ = 2 * key(position).uniform(6).numpy() - 1
        right, down = right * most["translate_pixels"], down * most["translate_pixels"]
        size, squeeze = 1 + scale * most["scale"], 1 + squeeze * most["squeeze"]
        forward = np.array([[size / squeeze, 0], [shear * most["shear"], size * squeeze]])  # y, x
        back, centre = np.linalg.inv(forward), np.full(2, 31.5)
        offset = centre - back @ (centre + [down, right])
        expected = ndimage.affine_transform(blob()[..., 0], back, offset, order=1)
        np.testing.assert_allclose(found[..., 0], expected, atol=0.02)


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
TORCH_MEAN, TORCH_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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
        view = view_of(encoded, (RandomShift(4), RandomFlip()), position)
        image, place = realize(view, encoded, 3, False), context_of(view, MOVED)
        for operation in operations:
            image = operation(image, place)
        crop = padded[4 + place.top : 36 + place.top, 4 + place.left : 36 + place.left]
        expected = crop[:, ::-1] if bool(view.mirrored) else crop
        np.testing.assert_allclose(image, expected, atol=1e-5)


def test_all_81_places_are_reached():
    whole = View.whole(32, 32)
    moved = RandomShift(4)(whole, many(RandomShift(4), 1500))
    places = set(zip(moved.window.top.numpy(), moved.window.left.numpy(), strict=True))
    assert moved.frame is whole.frame
    assert places == {(y, x) for y in range(-4, 5) for x in range(-4, 5)}


@pytest.mark.parametrize(
    "operation, expected",
    [
        (SubtractMeanImage(), IMAGE - MEAN),
        (SubtractChannelMean(), IMAGE - MEAN.mean((0, 1))),
        (Standardize(mean=TORCH_MEAN, std=TORCH_STD), (IMAGE / 255 - TORCH_MEAN) / TORCH_STD),
    ],
)
def test_a_normalisation_is_its_formula(operation, expected):
    image = operation(IMAGE.astype("float32"), Context(0, 0, False, MOVED))
    np.testing.assert_allclose(image, expected, rtol=0, atol=1e-5)
