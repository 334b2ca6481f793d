import itertools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from common.data.rng import ExampleRng, fold_in
from common.data.transforms import Context, Lighting, PhotometricDistortions, colour
from common.errors import UsageError
from tests.common.data_fixtures import noise_image

HOWARD = PhotometricDistortions(low=0.5, high=1.5)  # Howard 2013, Sec. 2
OURS = {"Brightness": colour.brightness, "Contrast": colour.contrast, "Color": colour.colour}


def vivid():
    """Smooth, with values near 0 and 255, so that cutting off matters."""
    image = noise_image(40, 56).astype(float)
    return np.clip((image - 128) * 1.6 + 128, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("amount", [0.0, 0.5, 0.83, 1.0, 1.21, 1.5, 2.0])
@pytest.mark.parametrize("name", OURS)
def test_each_manipulation_is_pils(name, amount):
    found = OURS[name](tf.constant(vivid(), tf.float32), amount).numpy()
    enhance = getattr(ImageEnhance, name)(Image.fromarray(vivid())).enhance
    difference = found - np.float32(enhance(amount))
    # PIL cuts off the fraction, and rounds the grey levels that it blends with.
    assert difference.min() > -0.55 and difference.max() < 1.55
    if amount == 1.0:
        assert abs(difference).max() < 1e-3


def key(position, stream=11):
    return ExampleRng(stream, position)


def distorted(image, positions, operation=HOWARD):
    def distort(position):
        context = Context(0, 0, False, None, key(position))
        return operation(tf.constant(image, tf.float32), context)

    return tf.data.Dataset.range(positions).map(distort)


def test_order_and_amounts_are_drawn_for_each_image():
    """Each result is one order's, at the amounts drawn; all orders occur."""
    image = vivid()[:12, :12]
    orders = list(itertools.permutations(["Contrast", "Brightness", "Color"]))
    seen = []

    @tf.function
    def in_each_order(amounts):
        made = dict.fromkeys(orders, tf.constant(image, tf.float32))
        for order in orders:
            for name in order:
                made[order] = OURS[name](made[order], amounts[orders[0].index(name)])
        return list(made.values())

    for position, found in enumerate(distorted(image, 120).as_numpy_iterator()):
        amounts = 0.5 + key(position).uniform(4)[:3]
        distances = [abs(made - found).max() for made in map(np.array, in_each_order(amounts))]
        assert min(distances) < 1e-2
        seen.append([int(np.argmin(distances)), *amounts.numpy()])
    counts = np.bincount([order for order, *_ in seen])
    assert counts.shape == (6,) and counts.min() >= 8
    assert abs(np.corrcoef(np.transpose(seen)) - np.eye(4)).max() < 0.3


def test_amounts_lie_between_low_and_high():
    """On mid grey only brightness shows, and it multiplies."""
    grey = np.full((2, 2, 3), 100.0)
    found = np.array(list(distorted(grey, 300).as_numpy_iterator()))
    amounts = found[:, 0, 0, 0] / 100
    assert 0.5 <= amounts.min() < 0.53 and 1.47 < amounts.max() <= 1.5
    assert abs(amounts.mean() - 1) < 0.06
    fixed = PhotometricDistortions(low=1.0, high=1.0)
    [same] = distorted(vivid(), 1, fixed).as_numpy_iterator()
    np.testing.assert_allclose(same, vivid(), atol=1e-3)


def test_grey_images_are_refused():
    with pytest.raises(UsageError, match="RGB"):
        HOWARD(tf.zeros((4, 4, 1)), Context(0, 0, False, None, key(0)))


def test_it_is_the_same_for_another_input_size():
    assert HOWARD.scaled(0.5) == HOWARD and not HOWARD.needs_statistics


def test_lighting_is_fbs():
    """M.Lighting with imagenet.lua's numbers, of images 0 .. 1."""
    values = [0.2175, 0.0188, 0.0045]
    vectors = np.array(
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
    )
    image = noise_image(5, 4).astype("float32")
    for position in range(5):
        key = ExampleRng(fold_in(0, 1), tf.constant(position))
        noisy = Lighting(std=0.1)(image, Context(0, 0, False, None, key))
        alpha = 0.1 * key.normal(3).numpy()
        rgb = [sum(row * alpha * values) for row in vectors]
        np.testing.assert_allclose(noisy / 255, image / 255 + rgb, atol=1e-5)
    assert not Lighting.needs_statistics
