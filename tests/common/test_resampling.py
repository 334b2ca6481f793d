import numpy as np
import pytest
import tensorflow as tf

from common.data.transforms.resampling import FILTERS, span, triangle
from common.data.transforms.view import Box, Patch, View, realize
from common.errors import UsageError
from tests.common.data_fixtures import noise_image

BOXES = [  # of an image of 157 x 211: shrunk, stretched, uneven, at the ends
    Box(7, 20, 101, 130),
    Box(60, 90, 21, 18),
    Box(0, 150, 157, 61),
    Box(0, 0, 157, 211),
    Box(156, 210, 1, 1),
]


def zoomed(encoded, box, filters, choice, channels=3, jpeg=False):
    patch = Patch(box, filters, choice)
    view = View.whole(157, 211).zoom(patch, 64)
    return realize(view, encoded, channels, jpeg).numpy()


@pytest.mark.parametrize("jpeg", [True, False, None])
@pytest.mark.parametrize("channels", [1, 3])
def test_zoom_is_tf_image_resize_of_the_window_by_the_drawn_filter(jpeg, channels):
    image = tf.constant(noise_image(157, 211, channels))
    encoded = tf.io.encode_png(image)
    if jpeg:
        encoded = tf.io.encode_jpeg(image, quality=90)
        image = tf.io.decode_jpeg(encoded, dct_method="INTEGER_ACCURATE")
    for choice, name in enumerate(FILTERS):
        for box in BOXES:
            window = image[box.top :, box.left :][: box.height, : box.width]
            full = tf.image.resize(window, (64, 64), method=name, antialias=False)
            expected = np.clip(np.float32(full), 0, 255)
            for filters, which in ((FILTERS, tf.constant(choice)), ((name,), 0)):
                found = zoomed(encoded, box, filters, which, channels, jpeg)
                assert found.shape == (64, 64, channels) and found.dtype == np.float32
                np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("jpeg", [False, None])
def test_a_png_of_another_size_is_an_error_and_not_cut(jpeg):
    """As decode_together leaves it to whoever reads the images one by one."""
    encoded = tf.io.encode_png(noise_image(6, 7))
    assert realize(View.whole(6, 7), encoded, 3, jpeg).shape == (6, 7, 3)
    with pytest.raises(tf.errors.InvalidArgumentError):
        realize(View.whole(4, 5), encoded, 3, jpeg)


def test_cubic_stays_within_0_and_255():
    checks = np.kron([[0, 255], [255, 0]], np.ones((3, 3)))[..., None]
    encoded = tf.io.encode_png(checks.astype(np.uint8))
    patch = Patch(Box(0, 0, 6, 6), ("bicubic",), 0)
    image = realize(View.whole(6, 6).zoom(patch, 32), encoded, 1, False).numpy()
    assert image.min() == 0 and image.max() == 255


@pytest.mark.parametrize("filters", [("cubic",), ()])
def test_unknown_filters_are_refused(filters):
    encoded = tf.io.encode_png(noise_image(157, 211))
    with pytest.raises(UsageError, match="'bilinear', 'area', 'nearest'"):
        zoomed(encoded, BOXES[0], filters, 0)


@pytest.mark.parametrize("canvas", [(64, 86), (157, 211), (200, 150), (9, 400)])
def test_two_passes_over_rows_are_the_one_operation_bit_for_bit(canvas):
    image = noise_image(157, 211)
    top, left, size = canvas[0] // 7, canvas[1] // 5, (7, canvas[1] // 2)
    y = span(top, size[0], 157, canvas[0])
    x = span(left, size[1], 211, canvas[1])
    part = image[y[0] : y[0] + y[1], x[0] : x[0] + x[1]]
    expected = tf.raw_ops.ScaleAndTranslate(
        images=part[None],
        size=size,
        scale=[y[2], x[2]],
        translation=[y[3], x[3]],
        kernel_type="triangle",
        antialias=True,
    )
    found = triangle(tf.constant(part), size, y, x)
    assert (found == expected[0]).numpy().all()
