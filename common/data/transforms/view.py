"""Views: what part of an encoded image is wanted, realised in one go.

Resizing and cropping only write down numbers. `realize` then decodes no more
of the file than is needed and resamples it once, with the same result as
decoding all, resizing all and cropping.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from common.data.images.decoder import decode
from common.data.transforms.resampling import resize, span, triangle, whole_triangle
from common.errors import UsageError
from common.lazy import np, tf

EXCERPT = 8  # pixels that an excerpt is longer than the window made of it
_OUTSIDE = -(2**30)  # no sum of places with it is positive
_MARGIN = 2  # libjpeg's chroma upsampling differs in a cut's border column


class Box(NamedTuple):
    """A rectangle, pixels; each an int or a scalar int32 tensor."""

    top: Any
    left: Any
    height: Any
    width: Any

    def grow(self, pixels: int) -> "Box":
        """`pixels` more on each of the four sides."""
        top, left, height, width = self
        return Box(top - pixels, left - pixels, height + 2 * pixels, width + 2 * pixels)

    def clip(self, size: tuple[Any, Any]) -> "Box":
        """What of it lies inside of an image of (height, width)."""

        def inside(start: Any, length: Any, size: Any) -> tuple[Any, Any]:
            known = all(isinstance(n, int) for n in (start, length, size))
            least, most = (min, max) if known else (tf.minimum, tf.maximum)
            first = most(start, 0)
            return first, least(start + length, size) - first

        top, height = inside(self.top, self.height, size[0])
        left, width = inside(self.left, self.width, size[1])
        return Box(top, left, height, width)

    def is_all_of(self, size: tuple[Any, Any]) -> bool:
        """Whether it is known to be an image of (height, width); tensors have no `==`."""
        return _same(self, (0, 0, *size))


class Patch(NamedTuple):
    """A part of the source that becomes the whole canvas.

    What is around it is not seen, not even by the resampling. The filters and
    which of them: see common.data.transforms.resampling.resize.
    """

    box: Box
    filters: tuple[str, ...]
    choice: Any


@dataclasses.dataclass(frozen=True)
class View:
    """A window of the canvas, which is the resized source."""

    source: tuple[Any, Any]  # (height, width) of the encoded image
    canvas: tuple[Any, Any]  # (height, width) that the whole source is resized to
    window: Box  # the part of the canvas that is wanted, before mirroring; 0 outside of it
    frame: Box  # the last window that chance had no part in: a mean image is its mean
    mirrored: Any = False  # whether left and right are exchanged; a bool, or a tensor
    patch: Patch | None = None  # if there is one, it is resized to the canvas, not the source
    whole_values: bool = False  # the canvas has whole pixel values: resampling.whole_triangle

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
        if self.patch or not self.window.is_all_of(self.canvas):
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
        if self.patch or not (
            _same(self.canvas, self.source) and self.window.is_all_of(self.source)
        ):
            raise UsageError(
                "a crop of a share of the area must come before resizes, other crops and padding"
            )
        window = Box(0, 0, size, size)
        return dataclasses.replace(self, canvas=(size, size), window=window, patch=patch)

    def crop(self, top: Any, left: Any, size: int, *, chance: bool) -> "View":
        """A size x size window at (top, left) of what is seen now."""
        old = self.window
        if self.mirrored is not False:
            left = tf.where(self.mirrored, old.width - size - left, left)
        window = Box(old.top + top, old.left + left, size, size)
        frame = self.frame if chance else window
        return dataclasses.replace(self, window=window, frame=frame)

    def pad(self, pixels: int) -> "View":
        """A border of zeros on all four sides."""
        window = self.window.grow(pixels)
        return dataclasses.replace(self, window=window, frame=window)

    def mirror(self, mirrored: Any) -> "View":
        """Left and right exchanged where the scalar `mirrored` is true."""
        if self.mirrored is not False:
            mirrored = tf.math.logical_xor(self.mirrored, mirrored)
        return dataclasses.replace(self, mirrored=mirrored)


def image_size(encoded: Any, jpeg: bool | None) -> tuple[Any, Any]:
    """(height, width) from the header of a JPEG or PNG file."""
    if jpeg is None:
        return _of_its_kind(encoded, lambda jpeg: image_size(encoded, jpeg))
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
    window, source, canvas, patch = view.window, view.source, view.canvas, view.patch

    def decoded(box: Box) -> Any:
        return _decode(encoded, box, source, channels, jpeg)

    if patch or _same(source, canvas):
        seen = window.clip(canvas)
        if patch:
            image = resize(decoded(patch.box), canvas, patch.filters, patch.choice)
            image = tf.slice(image, [*seen[:2], 0], [*seen[2:], channels])
        else:
            image = tf.cast(decoded(seen), tf.float32)
        above, before = seen.top - window.top, seen.left - window.left
        below = window.height - seen.height - above
        after = window.width - seen.width - before
        if not _same((above, below, before, after), (0, 0, 0, 0)):
            image = tf.pad(image, [[above, below], [before, after], [0, 0]])
    else:
        y = span(window.top, window.height, source[0], canvas[0])
        x = span(window.left, window.width, source[1], canvas[1])
        part = decoded(Box(y[0], x[0], y[1], x[1]))
        if view.whole_values:
            rows = (window.top, window.height, source[0], canvas[0], *y[:2])
            columns = (window.left, window.width, source[1], canvas[1], *x[:2])
            image = whole_triangle(part, rows, columns)
        else:
            image = triangle(part, window[2:], y, x)
    known = (n if isinstance(n, int) else None for n in window[2:])
    image.set_shape((*known, channels))
    return mirror(image, view.mirrored)


def excerpt(view: View, encoded: Any, channels: int, jpeg: bool | None) -> tuple[Any, Any]:
    """What a window of an image that is not shrunk is made of, as stored.

    Args:
        view: A square window of the canvas, without padding or a patch.
        encoded: As `realize` takes it, and what follows.

    Returns:
        (S, S, channels) uint8, the source's pixels, zeros where it ends, S
        the window's size + EXCERPT; and the numbers of one image that
        common.data.transforms.resampling.taps takes, (4, 2).
    """
    window, size = view.window, view.window.height + EXCERPT
    start, source, canvas = (tf.stack(pair) for pair in (window[:2], view.source, view.canvas))
    enlarged = tf.reduce_all(canvas >= source)
    tf.raw_ops.Assert(condition=enlarged, data=["an image is larger than its data set says"])
    length = tf.minimum(source, size)
    # What the window needs begins at the fourth pixel or later, and ends three
    # before the end or earlier: see `taps` and _MARGIN.
    first = tf.maximum(start * source // canvas - 3, 0)
    first = tf.minimum(first, source - length)
    pixels = _cut_file(encoded, tf.concat([first, length], axis=0), channels, jpeg)
    rest = tf.stack([tf.zeros_like(length), size - length], axis=1)
    pixels = tf.pad(pixels, tf.concat([rest, [[0, 0]]], axis=0))
    pixels = tf.ensure_shape(pixels, (size, size, channels))
    return pixels, tf.stack([start, source, canvas, first])


def mirror(image: Any, mirrored: Any) -> Any:
    """The image with left and right exchanged if `mirrored`."""
    if isinstance(mirrored, bool):
        return tf.reverse(image, [1]) if mirrored else image
    return tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image)


def with_zero_pixel(images: "np.ndarray") -> "np.ndarray":
    """(..., channels) -> (pixels + 1, channels): zeros, and then the images."""
    pixels = images.reshape(-1, images.shape[-1])
    return np.concatenate([np.zeros_like(pixels[:1]), pixels])


def gather_windows(
    pixels: Any, size: tuple[int, int], which: Any, window: Box, mirrored: Any
) -> Any:
    """Windows of images of one size; what lies outside of them is 0.

    Args:
        pixels: Of the images, as `with_zero_pixel` gives them; less than 2**29.
        size: (height, width) of an image.
        which, window, mirrored: Of each window its image, its place (`top` and
            `left`), and whether left and right are exchanged: (windows,), or one for all.

    Returns:
        (windows, window.height, window.width, channels); one window if all
        are given for one.
    """

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


def _decode(encoded: Any, box: Box, source: tuple, channels: int, jpeg: bool | None) -> Any:
    """The uint8 pixels of a part of the file."""
    if jpeg is None:
        return _of_its_kind(encoded, lambda jpeg: _decode(encoded, box, source, channels, jpeg))
    if not jpeg and box.is_all_of(source):  # a file of another size is damaged, not to be cut
        known = (n if isinstance(n, int) else None for n in source)
        return tf.ensure_shape(decode(encoded, channels, jpeg=False), (*known, channels))
    wide = box.grow(_MARGIN).clip(source)
    image = _cut_file(encoded, tf.stack(wide), channels, jpeg)
    begin = [box.top - wide.top, box.left - wide.left, 0]
    return tf.slice(image, begin, [box.height, box.width, channels])


def _cut_file(encoded: Any, box: Any, channels: int, jpeg: bool | None) -> Any:
    """(top, left, height, width) of a file; of a JPEG not exact at the very edge."""
    if jpeg is None:
        return _of_its_kind(encoded, lambda jpeg: _cut_file(encoded, box, channels, jpeg))
    if jpeg:
        return tf.io.decode_and_crop_jpeg(
            encoded, box, channels=channels, dct_method="INTEGER_ACCURATE"
        )
    image = decode(encoded, channels, jpeg=False)
    begin, size = tf.split(box, 2)
    begin, size = tf.pad(begin, [[0, 1]]), tf.concat([size, [channels]], 0)
    return tf.slice(image, begin, size)


def _of_its_kind(encoded: Any, read: Callable[[bool], Any]) -> Any:
    return tf.cond(tf.io.is_jpeg(encoded), lambda: read(True), lambda: read(False))


def _same(a: tuple, b: tuple) -> bool:
    pairs = zip(a, b, strict=True)
    return all(p is q or (isinstance(p, int) and isinstance(q, int) and p == q) for p, q in pairs)
