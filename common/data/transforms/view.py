"""Views: what part of an encoded image is wanted, realised in one go.

Resizing and cropping only write down numbers. `realize` then decodes no more
of the file than is needed and resamples it once, with the same result as
decoding all, resizing all and cropping.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from common.data.images.decoder import decode
from common.data.transforms.resampling import resize, span, triangle, whole_triangle
from common.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

_OUTSIDE = -(2**30)  # no sum of places with it is positive
_MARGIN = 2  # libjpeg's chroma upsampling differs in a cut's border column


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle, pixels; each an int or a scalar int32 tensor."""

    top: Any
    left: Any
    height: Any
    width: Any


@dataclasses.dataclass(frozen=True)
class Patch:
    """A part of the source that becomes the whole canvas.

    What is around it is not seen, not even by the resampling.

    Attributes:
        box: Its place in the source.
        filters: See common.data.transforms.resampling.resize.
        choice: Which of the filters.
    """

    box: Box
    filters: tuple[str, ...]
    choice: Any


@dataclasses.dataclass(frozen=True)
class View:
    """A window of the canvas, which is the resized source.

    Attributes:
        source: (height, width) of the encoded image.
        canvas: (height, width) that the whole source is resized to.
        window: The part of the canvas that is wanted, before mirroring; what
            lies outside of the canvas is 0.
        frame: The last window that chance had no part in: what a mean image
            is the mean of.
        mirrored: Whether left and right are exchanged; a bool, or a tensor.
        patch: If there is one, it is resized to the canvas, not the source.
        whole_values: Whether the canvas has whole pixel values: see
            common.data.transforms.resampling.whole_triangle.
    """

    source: tuple[Any, Any]
    canvas: tuple[Any, Any]
    window: Box
    frame: Box
    mirrored: Any = False
    patch: Patch | None = None
    whole_values: bool = False

    @classmethod
    def whole(cls, height: Any, width: Any) -> "View":
        """The image as it is stored."""
        box = Box(0, 0, height, width)
        return cls((height, width), (height, width), box, box)

    def resize(
        self, height: Any, width: Any, *, chance: bool = False, whole_values: bool = False
    ) -> "View":
        """The whole image at another size; `chance`: one that was drawn.

        Raises:
            UsageError: if something was cut off or added before.
        """
        whole = _same(self.window, Box(0, 0, *self.canvas))
        if self.patch or not whole:
            raise UsageError("a resize must come before crops and padding")
        box = Box(0, 0, height, width)
        frame = self.frame if chance else box
        return dataclasses.replace(
            self, canvas=(height, width), window=box, frame=frame, whole_values=whole_values
        )

    def zoom(self, patch: Patch, size: int) -> "View":
        """A patch of the source, drawn by chance, resized to size x size.

        Raises:
            UsageError: if this is not the whole image at its own size.
        """
        source = Box(0, 0, *self.source)
        resized = not _same(Box(0, 0, *self.canvas), source)
        if self.patch or resized or not _same(self.window, source):
            raise UsageError(
                "a crop of a share of the area must come before resizes, other crops and padding"
            )
        window = Box(0, 0, size, size)
        return dataclasses.replace(self, canvas=(size, size), window=window, patch=patch)

    def crop(self, top: Any, left: Any, size: int, *, chance: bool) -> "View":
        """A size x size window at (top, left) of what is seen now."""
        import tensorflow as tf

        old = self.window
        if self.mirrored is not False:
            mirror = old.width - size - left
            left = tf.where(self.mirrored, mirror, left)
        window = Box(old.top + top, old.left + left, size, size)
        frame = self.frame if chance else window
        return dataclasses.replace(self, window=window, frame=frame)

    def pad(self, pixels: int) -> "View":
        """A border of zeros on all four sides."""
        old = self.window
        window = Box(
            old.top - pixels, old.left - pixels, old.height + 2 * pixels, old.width + 2 * pixels
        )
        return dataclasses.replace(self, window=window, frame=window)

    def mirror(self, mirrored: Any) -> "View":
        """Left and right exchanged where the scalar `mirrored` is true."""
        import tensorflow as tf

        if self.mirrored is not False:
            mirrored = tf.math.logical_xor(self.mirrored, mirrored)
        return dataclasses.replace(self, mirrored=mirrored)


def image_size(encoded: Any, jpeg: bool | None) -> tuple[Any, Any]:
    """(height, width) from the header of a JPEG or PNG file."""
    import tensorflow as tf

    if jpeg is None:
        return tf.cond(
            tf.io.is_jpeg(encoded),
            lambda: image_size(encoded, True),
            lambda: image_size(encoded, False),
        )
    if jpeg:
        shape = tf.io.extract_jpeg_shape(encoded)
        return shape[0], shape[1]
    header = tf.strings.substr(encoded, 16, 8)
    size = tf.io.decode_raw(header, tf.int32, little_endian=False)
    return size[1], size[0]


def realize(view: View, encoded: Any, channels: int, jpeg: bool | None) -> Any:
    """The view's pixels, (height, width, channels) float32, 0 .. 255.

    Args:
        view: What is wanted; its window may have any size.
        encoded: The file's bytes, a scalar string tensor.
        channels: 1 or 3; a grey image is repeated, colour becomes luminance.
        jpeg: Whether the file is JPEG; None if that is to be found out.
    """
    kept = _same(Box(0, 0, *view.source), Box(0, 0, *view.canvas))
    cut = _zoom if view.patch else _copy if kept else _resample
    image = cut(view, encoded, channels, jpeg)
    size = _static((view.window.height, view.window.width))
    image.set_shape((*size, channels))
    return mirror(image, view.mirrored)


EXCERPT = 8  # pixels that an excerpt is longer than the window made of it


def excerpt(view: View, encoded: Any, channels: int, jpeg: bool | None) -> tuple[Any, Any]:
    """What a window of an image that is not shrunk is made of, as stored.

    Args:
        view: A square window of the canvas, without padding or a patch.
        encoded: As `realize` takes it.
        channels: As `realize` takes them.
        jpeg: As `realize` takes it.

    Returns:
        (S, S, channels) uint8, the source's pixels, zeros where it ends, S
        the window's size + EXCERPT; and the numbers of one image that
        common.data.transforms.resampling.taps takes, (4, 2).
    """
    import tensorflow as tf

    window, size = view.window, view.window.height + EXCERPT
    start = tf.stack([window.top, window.left])
    source, canvas = tf.stack(view.source), tf.stack(view.canvas)
    enlarged = tf.reduce_all(canvas >= source)
    checked = tf.raw_ops.Assert(
        condition=enlarged, data=["an image is larger than its data set says"]
    )
    with tf.control_dependencies([checked] if checked else []):
        length = tf.minimum(source, size)
    # What the window needs begins at the fourth pixel or later, and ends three
    # before the end or earlier: see `taps` and _MARGIN.
    first = tf.maximum(start * source // canvas - 3, 0)
    first = tf.minimum(first, source - length)
    box = tf.concat([first, length], axis=0)
    pixels = _cut_file(encoded, box, channels, jpeg)
    rest = tf.stack([tf.zeros_like(length), size - length], axis=1)
    pixels = tf.pad(pixels, tf.concat([rest, [[0, 0]]], axis=0))
    pixels = tf.ensure_shape(pixels, (size, size, channels))
    return pixels, tf.stack([start, source, canvas, first])


def mirror(image: Any, mirrored: Any) -> Any:
    """The image with left and right exchanged if `mirrored`."""
    import tensorflow as tf

    if isinstance(mirrored, bool):
        return tf.reverse(image, [1]) if mirrored else image
    return tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image)


def with_zero_pixel(images: "np.ndarray") -> "np.ndarray":
    """(..., channels) -> (pixels + 1, channels): zeros, and then the images."""
    import numpy as np

    pixels = images.reshape(-1, images.shape[-1])
    return np.concatenate([np.zeros_like(pixels[:1]), pixels])


def gather_windows(
    pixels: Any, size: tuple[int, int], which: Any, window: Box, mirrored: Any
) -> Any:
    """Windows of images of one size; what lies outside of them is 0.

    Args:
        pixels: Of the images, as `with_zero_pixel` gives them; less than 2**29.
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
        return tf.where(known, places * scale, _OUTSIDE)

    def each(numbers: Any) -> Any:
        return tf.reshape(numbers, (-1, 1))

    (height, width), across = size, tf.range(window.width)
    rows = inside(each(window.top) + tf.range(window.height), height, width)
    rows += 1 + each(which) * (height * width)
    across = tf.where(each(mirrored), window.width - 1 - across, across)
    columns = inside(each(window.left) + across, width, 1)
    places = rows[:, :, None] + columns[:, None, :]
    return tf.gather(pixels, tf.maximum(places, 0))


def _copy(view: View, encoded: Any, channels: int, jpeg: bool | None) -> Any:
    """The window of an image that keeps its size."""
    import tensorflow as tf

    def cut(box: Box) -> Any:
        part = _decode(encoded, box, view.source, channels, jpeg)
        return tf.cast(part, tf.float32)

    return _add_border(view.window, view.source, cut)


def _zoom(view: View, encoded: Any, channels: int, jpeg: bool | None) -> Any:
    """The window of a resized patch."""
    import tensorflow as tf

    patch = view.patch
    part = _decode(encoded, patch.box, view.source, channels, jpeg)
    image = resize(part, view.canvas, patch.filters, patch.choice)

    def cut(box: Box) -> Any:
        size = [box.height, box.width, channels]
        return tf.slice(image, [box.top, box.left, 0], size)

    return _add_border(view.window, view.canvas, cut)


def _add_border(window: Box, size: tuple, cut: Callable[[Box], Any]) -> Any:
    """The window: of an image of `size` what `cut` gives, 0 outside."""
    import tensorflow as tf

    top, height, above, below = _overlap(window.top, window.height, size[0])
    left, width, before, after = _overlap(window.left, window.width, size[1])
    image = cut(Box(top, left, height, width))
    border = (above, below, before, after)
    if all(isinstance(b, int) and b == 0 for b in border):
        return image
    return tf.pad(image, [[above, below], [before, after], [0, 0]])


def _overlap(start: Any, length: Any, size: Any) -> tuple[Any, Any, Any, Any]:
    """Of a window: start and length inside of the image; what is outside."""
    first = _max(start, 0)
    last = _min(start + length, size)
    return first, last - first, first - start, start + length - last


def _resample(view: View, encoded: Any, channels: int, jpeg: bool | None) -> Any:
    """The window of a resized image."""
    window, source, canvas = view.window, view.source, view.canvas
    y = span(window.top, window.height, source[0], canvas[0])
    x = span(window.left, window.width, source[1], canvas[1])
    part = _decode(encoded, Box(y[0], x[0], y[1], x[1]), source, channels, jpeg)
    if view.whole_values:
        rows = (window.top, window.height, source[0], canvas[0])
        columns = (window.left, window.width, source[1], canvas[1])
        return whole_triangle(part, (*rows, *y[:2]), (*columns, *x[:2]))
    return triangle(part, (window.height, window.width), y, x)


def _decode(encoded: Any, box: Box, source: tuple, channels: int, jpeg: bool | None) -> Any:
    """The uint8 pixels of a part of the file."""
    import tensorflow as tf

    if jpeg is None:
        return tf.cond(
            tf.io.is_jpeg(encoded),
            lambda: _decode(encoded, box, source, channels, True),
            lambda: _decode(encoded, box, source, channels, False),
        )
    if jpeg:
        top, left = _max(box.top - _MARGIN, 0), _max(box.left - _MARGIN, 0)
        bottom = _min(box.top + box.height + _MARGIN, source[0])
        right = _min(box.left + box.width + _MARGIN, source[1])
        wide = tf.stack([top, left, bottom - top, right - left])
        image = _cut_file(encoded, wide, channels, jpeg)
        begin = [box.top - top, box.left - left, 0]
        return tf.slice(image, begin, [box.height, box.width, channels])
    if _same(box, Box(0, 0, *source)):
        image = decode(encoded, channels, jpeg=False)
        return tf.ensure_shape(image, (*_static(source), channels))
    place = tf.stack([box.top, box.left, box.height, box.width])
    return _cut_file(encoded, place, channels, jpeg)


def _cut_file(encoded: Any, box: Any, channels: int, jpeg: bool | None) -> Any:
    """(top, left, height, width) of a file; of a JPEG not exact at the very edge."""
    import tensorflow as tf

    if jpeg is None:
        return tf.cond(
            tf.io.is_jpeg(encoded),
            lambda: _cut_file(encoded, box, channels, True),
            lambda: _cut_file(encoded, box, channels, False),
        )
    if jpeg:
        return tf.io.decode_and_crop_jpeg(
            encoded, box, channels=channels, dct_method="INTEGER_ACCURATE"
        )
    image = decode(encoded, channels, jpeg=False)
    begin, size = tf.split(box, 2)
    begin, size = tf.pad(begin, [[0, 1]]), tf.concat([size, [channels]], 0)
    return tf.slice(image, begin, size)


def _same(a: Box, b: Box) -> bool:
    """Whether both are known to be the same; tensors have no `==`."""
    pairs = zip(vars(a).values(), vars(b).values(), strict=True)
    return all(p is q or (isinstance(p, int) and isinstance(q, int) and p == q) for p, q in pairs)


def _static(size: tuple) -> tuple:
    return tuple(n if isinstance(n, int) else None for n in size)


def _max(a: Any, b: Any) -> Any:
    import tensorflow as tf

    both = isinstance(a, int) and isinstance(b, int)
    return max(a, b) if both else tf.maximum(a, b)


def _min(a: Any, b: Any) -> Any:
    import tensorflow as tf

    both = isinstance(a, int) and isinstance(b, int)
    return min(a, b) if both else tf.minimum(a, b)
