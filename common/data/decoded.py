"""Small training sets: decoded once, and made into batches many at a time.

MNIST and CIFAR-10 fit into memory as they are seen. What is made of them is
what common.data.pipeline makes of one example after the other, bit for bit.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from common.data import transforms
from common.data.philox import uniform
from common.data.sharding import mapped
from common.data.transforms.many import cut
from common.data.transforms.view import View

LIMIT = 2**29  # bytes of a set that is kept decoded
_UNROLLED = 250  # images that one call decodes
_FOR_MANY = (  # operations that work on many images as on one
    transforms.Binarize,
    transforms.CentreCrop,
    transforms.Pad,
    transforms.RandomAffine,
    transforms.RandomCrop,
    transforms.RandomFlip,
    transforms.RandomShift,
    transforms.ResizeShorterSide,
    transforms.ScalePixels,
    transforms.Standardize,
    transforms.SubtractCentreMean,
    transforms.SubtractChannelMean,
    transforms.SubtractMeanImage,
    transforms.ZeroBorder,
)


@dataclasses.dataclass(frozen=True)
class Keys:
    """The draws of many examples: those that Key gives each of them.

    Attributes:
        stream: See common.data.keys.Key.
        positions: (examples,) int64 tensor.
        count: Of positions in the epoch.
    """

    stream: int
    positions: Any
    count: int

    def uniform(self, count: int) -> Any:
        """(count, examples) numbers in [0, 1)."""
        import numpy as np
        import tensorflow as tf

        with tf.init_scope(), tf.device("CPU:0"):  # of the epoch, once
            epoch = np.arange(self.count)
            drawn = tf.constant(uniform(self.stream, epoch, count))
        return tf.transpose(tf.gather(drawn, self.positions))


def size(source: Any, channels: int) -> int | None:
    """Bytes of the training set, decoded; None if its images differ in size."""
    if source.image_shape is None:
        return None
    height, width = source.image_shape
    return source.dataset.splits["train"] * height * width * channels


def fits(source: Any, channels: int, operations: list) -> bool:
    """Whether the set is small, and all operations work on many images.

    Args:
        source: See common.data.catalog.open_source.
        channels: That it is decoded to.
        operations: Of the recipe, for training, without UntilEpoch.
    """
    needed = size(source, channels)
    if needed is None or needed > LIMIT or source.jpeg is not False:
        return False
    return all(
        type(op) in _FOR_MANY
        and (type(op) is not transforms.ResizeShorterSide or _keeps(op, source))
        for op in operations
    )


def _keeps(resize: transforms.ResizeShorterSide, source: Any) -> bool:
    return min(source.image_shape) == resize.size


def decode(encoded: Any, shape: tuple[int, int, int]) -> Any:
    """The pixels of PNG files of one shape, uint8.

    Args:
        encoded: (images,) string tensor.
        shape: (height, width, channels).

    Returns:
        As common.data.transforms.many.with_black. None if an image is damaged: where
        they are read one by one, an error will name it.
    """
    import numpy as np
    import tensorflow as tf

    images, (height, width, channels) = len(encoded), shape
    pixels = np.zeros((1 + images * height * width, channels), np.uint8)
    blank = tf.repeat(encoded[:1], -images % _UNROLLED)

    def several(files: Any) -> Any:
        one = [tf.io.decode_png(f, channels) for f in tf.unstack(files)]
        return tf.ensure_shape(tf.stack(one), (_UNROLLED, *shape))

    files = tf.data.Dataset.from_tensor_slices(tf.concat([encoded, blank], 0))
    parts = mapped(files.batch(_UNROLLED, drop_remainder=True), several)
    rest = pixels.reshape(-1)[channels:]
    try:
        for part in parts.as_numpy_iterator():
            rest[: part.size] = part.reshape(-1)[: rest.size]
            rest = rest[part.size :]
    except tf.errors.OpError:
        return None
    with tf.device("CPU:0"):
        return tf.constant(pixels)


def cutter(source: Any, pixels: Any, which: Any) -> Callable[[View], Any]:
    """From a view of the images `which` to its pixels, float32, 0 .. 255."""
    import tensorflow as tf

    def realize(view: View) -> Any:
        place = tf.cast(which, tf.int32)
        size = source.image_shape
        seen = cut(pixels, size, place, view.window, view.mirrored)
        return tf.cast(seen, tf.float32)

    return realize
