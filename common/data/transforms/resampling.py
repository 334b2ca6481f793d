"""How pixels are resampled when an image changes its size.

Pixel centres are at halves: pixel i covers i .. i + 1.
"""

import functools
from typing import Any

from common.errors import UsageError
from common.lazy import tf

FILTERS = (
    "bilinear",  # between the nearest 2 x 2 pixels, also where the image shrinks
    "area",  # the average over what an output pixel covers, parts of pixels too
    "nearest",  # the pixel in which the output pixel's centre is
    "bicubic",  # Keys's with a = -0.5 over 4 x 4 pixels, cut off at 0 and 255
)


def resize(image: Any, size: tuple[int, int], filters: tuple[str, ...], choice: Any) -> Any:
    """The image at another size, by one of several filters, as tf.image.resize.

    None but "area" looks at all pixels of an image that shrinks.

    Args:
        image: (height, width, channels) uint8.
        size: (height, width) of the result, which is float32, 0 .. 255.
        filters: Names out of FILTERS.
        choice: Which of them, from 0; an int or a scalar int32 tensor.

    Raises:
        UsageError: if a filter has another name.
    """
    if not filters or not set(filters) <= set(FILTERS):
        raise UsageError(f"resampling is {filters}; it takes one or more of {FILTERS}.")

    def by(name: str) -> Any:
        resized = tf.cast(tf.image.resize(image, size, name), tf.float32)
        return tf.clip_by_value(resized, 0.0, 255.0) if name == "bicubic" else resized

    if len(filters) == 1:
        return by(filters[0])
    branches = [functools.partial(by, name) for name in filters]
    return tf.switch_case(tf.convert_to_tensor(choice), branches)


def span(start: Any, length: Any, source: Any, canvas: Any) -> tuple:
    """What `triangle` needs for one axis of a window of a resized image.

    Args:
        start, length: Of the window on the canvas, pixels.
        source, canvas: Pixels on this axis, and those that they are resized to.

    Returns:
        First source pixel, how many, scale, translation.
    """
    source = tf.cast(source, tf.float64)
    scale = tf.cast(canvas, tf.float64) / source
    start, length = (tf.cast(n, tf.float64) for n in (start, length))
    reach = tf.maximum(1 / scale, 1) + 1  # of the kernel, and rounding
    first = tf.maximum(tf.floor(start / scale - reach), 0)
    end = tf.minimum(tf.math.ceil((start + length) / scale + reach), source)
    return (
        tf.cast(first, tf.int32),
        tf.cast(end - first, tf.int32),
        tf.cast(scale, tf.float32),
        tf.cast(first * scale - start, tf.float32),
    )


def triangle(part: Any, size: tuple, y: tuple, x: tuple) -> Any:
    """A window of a resized image: bilinear, antialiased.

    Args:
        part: The source's pixels that `y` and `x` name.
        size: (height, width) of the window.
        y, x: See `span`.
    """
    # Channels stay with their columns: a matrix is transposed, which takes
    # 0.6 of the time of exchanging rows and columns of pixels.
    columns = tf.transpose(_rows(part, size[0], y), [1, 2, 0])
    return tf.transpose(_rows(columns, size[1], x), [2, 0, 1])


def taps(place: Any, length: int, mirrored: Any) -> tuple[Any, Any]:
    """Where each row and column of enlarged images comes from.

    Of an image that does not shrink, `triangle` looks at two neighbours in
    each direction; these are its numbers, bit for bit, on a CPU.

    Args:
        place: (images, 4, 2) int32: of the window on the canvas its top and
            left; the source's and the canvas's height and width; the top and
            left of the excerpt that `enlarge` will be given.
        length: The window's height and width.
        mirrored: (images,), whether left and right are exchanged.

    Returns:
        (images, 2, length) int64, the first neighbour's place in the excerpt,
        for rows and for columns; (images, 2, length, 2), both weights, numbers
        of float32 as float64, as `enlarge` says.
    """
    start, source, canvas, excerpt = tf.unstack(place[..., None], axis=1)
    first, count, scale, translation = span(start, length, source, canvas)
    places = (tf.range(length, dtype=tf.float32) + 0.5) * (1 / scale)
    places += -(1 / scale) * translation
    near = tf.cast(tf.floor(places - 0.5), tf.int32)
    near = tf.clip_by_value(near, 0, tf.maximum(count - 2, 0))
    both = near[..., None] + tf.range(2)
    away = tf.abs(tf.cast(both, tf.float32) + 0.5 - places[..., None])
    weights = tf.where(both < count[..., None], tf.maximum(1 - away, 0), 0)
    weights *= 1 / tf.reduce_sum(weights, axis=-1, keepdims=True)
    near += first - excerpt
    turned = tf.stack([tf.zeros_like(mirrored), mirrored], axis=1)[..., None]
    near = tf.where(turned, near[..., ::-1], near)
    turned = turned[..., None]
    weights = tf.where(turned, weights[..., ::-1, :], weights)
    return tf.cast(near, tf.int64), tf.cast(weights, tf.float64)


def enlarge(excerpts: Any, near: Any, weights: Any) -> Any:
    """Windows of enlarged images, float32, 0 .. 255.

    Args:
        excerpts: (images, S, S, channels) uint8; what lies around the windows
            on the images, see common.data.transforms.view.excerpt.
        near, weights: See `taps`.

    Returns:
        (images, length, length, channels), with the bits of `triangle`.
    """

    def along(axis: int, images: Any) -> Any:
        images = tf.cast(images, tf.float32)  # of bytes TensorFlow has no gather on GPUs
        last, shape = images.shape[axis] - 1, [-1, 1, 1, 1]
        shape[axis] = near.shape[2]

        def share(i: int) -> Any:
            places = tf.minimum(near[:, axis - 1] + i, last)
            seen = tf.gather(images, places, axis=axis, batch_dims=1)
            # A product of float64, rounded, is that of float32; but no
            # compiler joins it and the sum, to round only once.
            weight = tf.reshape(weights[:, axis - 1, :, i], shape)
            return tf.cast(tf.cast(seen, tf.float64) * weight, tf.float32)

        return share(0) + share(1)

    return along(2, along(1, excerpts))


def _rows(image: Any, count: Any, axis: tuple) -> Any:
    """`count` rows in the place of the image's, its other axes as they are.

    ScaleAndTranslate goes over channels in vectors and over columns one by
    one: a whole row as the channels of one column takes half of the time,
    both transpositions included, and gives the same bits.
    """
    height, width, channels = tf.unstack(tf.shape(image))
    rows = tf.raw_ops.ScaleAndTranslate(
        images=tf.reshape(image, [1, height, 1, width * channels]),
        size=[count, 1],
        scale=tf.stack([axis[2], 1.0]),
        translation=tf.stack([axis[3], 0.0]),
        kernel_type="triangle",
        antialias=True,
    )
    return tf.reshape(rows, [count, width, channels])


def whole_triangle(part: Any, rows: tuple, columns: tuple) -> Any:
    """A window of a resized image as PIL's Image.resize gives it, bit for bit.

    Bilinear, antialiased, first along the rows, and rounded to whole pixel
    values after each axis; the weights are multiples of 2^-22. (Pillow 13
    begins with the columns of images whose height shrinks much more than
    their width: some of their pixels differ by 1.)

    Args:
        part: The source's pixels that the spans name, (h, w, channels) uint8.
        rows, columns: start, length, source and canvas as for `span`, then the
            first source pixel and how many, which it returns.
    """
    height, width, channels = tf.unstack(tf.shape(part))
    down, across = _whole_weights(*rows), _whole_weights(*columns)
    lines = tf.transpose(tf.cast(part, tf.float64), [0, 2, 1])
    lines = tf.reshape(lines, [height * channels, width])
    lines = tf.floor(tf.matmul(lines, across, transpose_b=True) + 0.5)
    lines = tf.reshape(lines, [height, channels * columns[1]])
    image = tf.floor(tf.matmul(down, lines) + 0.5)
    image = tf.reshape(image, [rows[1], channels, columns[1]])
    return tf.cast(tf.transpose(image, [0, 2, 1]), tf.float32)


def _whole_weights(
    start: Any, length: Any, source: Any, canvas: Any, first: Any, count: Any
) -> Any:
    """(length, count) float64: each source pixel's in each pixel; PIL's."""
    scale = tf.cast(source, tf.float64) / tf.cast(canvas, tf.float64)
    seen = tf.cast(start + tf.range(length), tf.float64) + 0.5
    there = tf.cast(first + tf.range(count), tf.float64) + 0.5
    away = tf.abs(there[None] - seen[:, None] * scale)
    weights = tf.maximum(1 - away / tf.maximum(scale, 1), 0)
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    return tf.floor(weights * 2**22 + 0.5) / 2**22
