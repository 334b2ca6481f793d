"""Operations of torchvision, bit for bit; of all publishers: tests/launch/test_publishers.py."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from common.data.transforms import TorchvisionCentreCrop, TorchvisionResize
from common.data.transforms.pixels import Context, SubtractMeanPixel
from common.data.transforms.view import View, image_size, realize
from common.errors import UsageError

# (height, width): landscape, portrait, larger than the frame on one axis
# only, smaller than it, square, and as large as it.
SIZES = [(97, 143), (211, 64), (48, 500), (31, 20), (77, 77), (64, 64)]


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


def test_channels_of_another_order_are_refused():
    operation = SubtractMeanPixel(order="GBR", mean=(0.0, 0.0, 0.0))
    with pytest.raises(UsageError, match="RGB or BGR"):
        operation(tf.zeros((2, 2, 3)), Context(0, 0, False, None))
