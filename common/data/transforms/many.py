"""Windows of many images at once.

Importing this module imports no TensorFlow.
"""

from typing import Any

import numpy as np

from common.data.transforms.view import Box

_FAR = np.int32(-(2**30))  # what lies outside: no sum with it is positive


def with_black(images: np.ndarray) -> np.ndarray:
    """(..., channels) -> (pixels + 1, channels): zeros, and then the images."""
    pixels = images.reshape(-1, images.shape[-1])
    return np.concatenate([np.zeros_like(pixels[:1]), pixels])


def cut(pixels: Any, size: tuple[int, int], which: Any, window: Box, mirrored: Any) -> Any:
    """Windows of images of one size; what lies outside of them is 0.

    Args:
        pixels: Of the images, as `with_black` gives them; less than 2**29.
        size: (height, width) of an image.
        which: The image of each window, (windows,) int32, or an int.
        window: Its place, `top` and `left` likewise.
        mirrored: Whether left and right are exchanged, (windows,) or a bool.

    Returns:
        (windows, window.height, window.width, channels); one window if all
        are given for one.
    """
    import tensorflow as tf

    def inside(places: Any, length: int, scale: int) -> Any:
        known = (places >= 0) & (places < length)
        return tf.where(known, places * scale, _FAR)

    def each(numbers: Any) -> Any:
        return tf.reshape(numbers, (-1, 1))

    (height, width), across = size, tf.range(window.width)
    rows = inside(each(window.top) + tf.range(window.height), height, width)
    rows += 1 + each(which) * (height * width)
    across = tf.where(each(mirrored), window.width - 1 - across, across)
    columns = inside(each(window.left) + across, width, 1)
    places = rows[:, :, None] + columns[:, None, :]
    return tf.gather(pixels, tf.maximum(places, 0))
