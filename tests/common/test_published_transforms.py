"""Operations of other libraries, against those libraries or their formulas."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from common.data.transforms import Squash, TorchvisionCentreCrop, TorchvisionResize
from common.data.transforms.pixels import Context, SubtractMeanPixel
from common.data.transforms.view import View, image_size, realize
from common.errors import UsageError

# (height, width): landscape, portrait, larger than the frame on one axis
# only, smaller than it, square, and as large as it.
SIZES = [(97, 143), (211, 64), (48, 500), (31, 20), (77, 77), (64, 64)]

ROUNDED = 255 * 500 * 2.0**-23  # float32 places, between black and white


def noise(height, width):
    rng = np.random.default_rng((height, width))
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def make(*operations):
    """From pixels to what the operations make of their PNG file."""

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])  # as in tf.data: sizes are tensors
    def run(encoded):
        view = View.whole(*image_size(encoded, False))
        for operation in operations:
            view = operation(view, None)
        return realize(view, encoded, 3, False)

    return lambda pixels: run(tf.io.encode_png(pixels)).numpy()


@pytest.mark.parametrize("side,crop", [(64, 56), (64, 55), (40, 40)])
def test_resize_and_crop_are_torchvisions_bit_for_bit(side, crop):
    made = make(TorchvisionResize(side), TorchvisionCentreCrop(crop))
    for size in SIZES:
        pixels = noise(*size)
        image = Image.fromarray(pixels)
        short = min(image.size)
        new = [int(side * length / short) for length in image.size]
        # One axis at a time: Pillow 13 begins with the columns of tall images.
        for step in ((new[0], image.height), new):
            image = image.resize(step, Image.Resampling.BILINEAR)
        left, top = (round((length - crop) / 2) for length in new)  # half to even
        wanted = image.crop((left, top, left + crop, top + crop))
        np.testing.assert_array_equal(made(pixels), np.asarray(wanted), err_msg=str(size))


def test_squash_is_bilinear_between_the_nearest_pixels():
    squash = make(Squash(48, "bilinear"))
    cut = make(Squash(48, "bilinear"), TorchvisionCentreCrop(40))
    for size in SIZES:
        pixels = noise(*size)
        rows, columns = ((np.arange(48) + 0.5) * length / 48 - 0.5 for length in size)
        places = np.meshgrid(rows, columns, range(3), indexing="ij")
        wanted = ndimage.map_coordinates(pixels, places, np.float64, order=1, mode="nearest")
        np.testing.assert_allclose(squash(pixels), wanted, atol=ROUNDED)
        np.testing.assert_allclose(cut(pixels), wanted[4:44, 4:44], atol=ROUNDED)


@pytest.mark.parametrize("many", [False, True])
def test_the_mean_pixel_is_of_the_order_that_is_given(many):
    image = np.array([[[1, 2, 3], [40, 50, 60]]], np.float32)
    image = np.stack([image, image + 100]) if many else image
    operation = SubtractMeanPixel(order="BGR", mean=(0.5, 10.0, 100.0))
    context = Context(0, 0, False, None)
    found = operation(tf.constant(image), context).numpy()
    wanted = image[..., ::-1] - np.array([0.5, 10.0, 100.0])
    np.testing.assert_allclose(found, wanted)
    with pytest.raises(UsageError, match="RGB or BGR"):
        SubtractMeanPixel(order="GBR", mean=(0.0, 0.0, 0.0))(image, context)
