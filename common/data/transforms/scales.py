"""Geometric operations that choose how large an image is seen.

See common.data.transforms. Importing this module imports no TensorFlow.
"""

import dataclasses
from typing import Any, ClassVar

from common.data.keys import Key
from common.data.transforms.view import Box, Patch, View
from common.errors import UsageError


def scaled_size(size: float, factor: float) -> int:
    """`size` for an input `factor` times as large."""
    return max(1, round(size * factor))


def _to_shorter_side(view: View, size: Any) -> tuple[Any, Any]:
    """(height, width) whose shorter side is `size`; rounded to the nearest."""
    import tensorflow as tf

    height, width = view.canvas
    known = isinstance(height, int) and isinstance(width, int)
    short = min(height, width) if known else tf.minimum(height, width)
    return tuple((side * size + short // 2) // short for side in view.canvas)


@dataclasses.dataclass(frozen=True)
class ResizeShorterSide:
    """Resize so that the shorter side is `size`; the shape stays."""

    size: int
    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class."""
        return view.resize(*_to_shorter_side(view, self.size))

    def scaled(self, factor: float) -> "ResizeShorterSide":
        """For an input `factor` times as large."""
        return ResizeShorterSide(scaled_size(self.size, factor))


@dataclasses.dataclass(frozen=True)
class TorchvisionResize:
    """torchvision.transforms.Resize(size) of a PIL image, bit for bit.

    The shorter side becomes `size`, the longer one is rounded down; bilinear
    and antialiased, in whole pixel values.
    """

    size: int
    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class."""
        import tensorflow as tf

        height, width = view.canvas
        known = isinstance(height, int) and isinstance(width, int)
        short = min(height, width) if known else tf.minimum(height, width)
        canvas = (side * self.size // short for side in view.canvas)
        return view.resize(*canvas, whole_values=True)

    def scaled(self, factor: float) -> "TorchvisionResize":
        """For an input `factor` times as large."""
        return TorchvisionResize(scaled_size(self.size, factor))


@dataclasses.dataclass(frozen=True)
class Squash:
    """Resize to size x size, whatever the aspect.

    Attributes:
        size: Pixels.
        resampling: The name of a filter: see common.data.transforms.resampling.
    """

    size: int
    resampling: str
    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class."""
        whole = Patch(Box(0, 0, *view.source), (self.resampling,), 0)
        squashed = view.zoom(whole, self.size)
        return squashed.crop(0, 0, self.size, chance=False)  # is the frame

    def scaled(self, factor: float) -> "Squash":
        """For an input `factor` times as large."""
        return Squash(scaled_size(self.size, factor), self.resampling)


@dataclasses.dataclass(frozen=True)
class RandomShorterSide:
    """Resize so that the shorter side is drawn from low .. high, both included.

    Whole pixels, all equally likely; the shape stays. Simonyan and Zisserman
    2014, Sec. 3.1: 256 .. 512; He et al. 2015, Sec. 3.4: 256 .. 480. A mean
    image has no place for what follows: the frame stays what it was.
    """

    low: int
    high: int
    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class.

        Raises:
            UsageError: if `low` is above `high`.
        """
        import tensorflow as tf

        if not 1 <= self.low <= self.high:
            raise UsageError(f"{self}: 1 <= low <= high must hold")
        drawn = key.uniform(1)[0] * (self.high - self.low + 1)
        size = self.low + tf.cast(drawn, tf.int32)
        return view.resize(*_to_shorter_side(view, size), chance=True)

    def scaled(self, factor: float) -> "RandomShorterSide":
        """For an input `factor` times as large."""
        return RandomShorterSide(scaled_size(self.low, factor), scaled_size(self.high, factor))


@dataclasses.dataclass(frozen=True)
class RandomAreaCrop:
    """Cut a share of the image's area, resize it to size x size.

    Szegedy et al., Sec. 6: "sampling of various sized patches of the image
    whose size is distributed evenly between 8% and 100% of the image area with
    aspect ratio constrained to the interval [3/4, 4/3]" (CVPR 2015); "whose
    aspect ratio is chosen randomly between 3/4 and 4/3", "random interpolation
    methods (bilinear, area, nearest neighbor and cubic, with equal
    probability) for resizing" (arXiv 2014).

    What the paper leaves open is chosen so that the quoted sentence is true:

    * The area is drawn first, uniformly, and never drawn again. The aspect is
      then drawn uniformly among those of the interval with which a window of
      that area fits into the image. Drawing both until a pair fits, as is
      often done, makes large areas rare: of a photograph of 4:3, 1.6 % of the
      crops would have more than 90 % of the area, not 10.9 %.
    * Uniform, not log-uniform, is the plain reading of "interval".
    * An image too long for the largest area gives areas up to the largest
      that it has a window for; one too long even for the smallest area gives
      the largest window of a permitted aspect.
    * All places of the window are equally likely.

    It comes before other resizes and crops. The pixels around the window have
    no part in the result, and a mean image has no place for it: the frame
    stays what it was.

    Attributes:
        size: Of the result, pixels.
        area: (lowest, highest) share of the image's area.
        aspect: (lowest, highest) width / height of the window.
        resampling: Names of filters, all equally likely: see
            common.data.transforms.resampling.
    """

    size: int
    area: tuple[float, float]
    aspect: tuple[float, float]
    resampling: tuple[str, ...]
    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class.

        Raises:
            UsageError: if the area or the aspect is no interval, or if the
                image was cut or resized before.
        """
        (small, large), (tall, wide) = self.area, self.aspect
        if not (0 < small <= large <= 1 and 0 < tall <= wide):
            raise UsageError(
                f"{self}: 0 < lowest <= highest must hold for area and aspect, "
                "and no area is above 1"
            )
        drawn = key.uniform(5)
        height, width = self._window(view.source, drawn[0], drawn[1])
        return anywhere(view, height, width, drawn[2:], self.resampling, self.size)

    def _window(self, source: tuple, first: Any, second: Any) -> tuple:
        """(height, width), whole pixels, from two draws of 0 .. 1.

        A window of the share a and the aspect r is sqrt(a H W / r) high and
        sqrt(a H W r) wide. It fits if a s <= r <= s / a, where s = W / H.
        """
        import tensorflow as tf

        high, wide = (tf.cast(side, tf.float32) for side in source)
        shape = wide / high
        lowest, highest = self.aspect
        most = tf.minimum(highest / shape, shape / lowest)
        most = tf.minimum(most, self.area[1])
        least = tf.minimum(most, self.area[0])
        area = least + first * (most - least)
        lowest = tf.maximum(lowest, area * shape)
        highest = tf.maximum(tf.minimum(highest, shape / area), lowest)
        aspect = lowest + second * (highest - lowest)
        total = area * high * wide
        sides = (tf.sqrt(total / aspect), tf.sqrt(total * aspect))
        return tuple(
            tf.clip_by_value(tf.cast(tf.round(side), tf.int32), 1, limit)
            for side, limit in zip(sides, source, strict=True)
        )

    def scaled(self, factor: float) -> "RandomAreaCrop":
        """For an input `factor` times as large; the shares stay."""
        return dataclasses.replace(self, size=scaled_size(self.size, factor))


def anywhere(
    view: View, height: Any, width: Any, drawn: Any, resampling: tuple[str, ...], size: int
) -> View:
    """A window at a random place, resized to size x size by a random filter."""
    import tensorflow as tf

    room = tf.stack([view.source[0] - height, view.source[1] - width]) + 1
    place = tf.cast(drawn[:2] * tf.cast(room, tf.float32), tf.int32)
    choice = tf.cast(drawn[2] * len(resampling), tf.int32)
    box = Box(place[0], place[1], height, width)
    return view.zoom(Patch(box, resampling, choice), size)
