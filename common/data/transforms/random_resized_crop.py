"""Random resized crops: a share of the image's area, resized to size x size.

Three rules of how the window is drawn, one class each. They come before other
resizes and crops. The pixels around the window have no part in the result, and
a mean image has no place for it: the frame stays what it was.

`size` is that of the result, pixels; `area` the (lowest, highest) share of the
image's area, `aspect` the (lowest, highest) width / height of the window;
`resampling` names filters, all equally likely: see
common.data.transforms.resampling.
"""

import dataclasses
from typing import Any

from common.data.rng import Rng
from common.data.transforms.operation import Geometric
from common.data.transforms.view import Box, Patch, View
from common.lazy import tf


@dataclasses.dataclass(frozen=True)
class RandomAreaCrop(Geometric):
    """Areas evenly distributed, as Szegedy et al. write.

    Sec. 6: "sampling of various sized patches of the image whose size is
    distributed evenly between 8% and 100% of the image area with aspect ratio
    constrained to the interval [3/4, 4/3]" (CVPR 2015); "whose aspect ratio is
    chosen randomly between 3/4 and 4/3", "random interpolation methods (bilinear,
    area, nearest neighbor and cubic, with equal probability) for resizing" (arXiv
    2014).

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
    """

    size: int
    area: tuple[float, float]
    aspect: tuple[float, float]
    resampling: tuple[str, ...]

    def __call__(self, view: View, rng: Rng) -> View:
        (small, large), (tall, flat) = self.area, self.aspect
        drawn = rng.uniform(5)
        # A window of the share a and the aspect r is sqrt(a H W / r) high and
        # sqrt(a H W r) wide. It fits if a s <= r <= s / a, where s = W / H.
        high, wide = (tf.cast(side, tf.float32) for side in view.source)
        shape = wide / high
        most = tf.minimum(tf.minimum(flat / shape, shape / tall), large)
        least = tf.minimum(most, small)
        area = least + drawn[0] * (most - least)
        lowest = tf.maximum(tall, area * shape)
        highest = tf.maximum(tf.minimum(flat, shape / area), lowest)
        aspect = lowest + drawn[1] * (highest - lowest)
        total = area * high * wide
        height, width = (
            tf.clip_by_value(tf.cast(tf.round(side), tf.int32), 1, limit)
            for side, limit in zip(
                (tf.sqrt(total / aspect), tf.sqrt(total * aspect)), view.source, strict=True
            )
        )
        return _zoom(view, height, width, drawn[2:], self)


@dataclasses.dataclass(frozen=True)
class FirstFittingAreaCrop(Geometric):
    """Drawn again until it fits, as FAIR does.

    RandomSizedCrop of fb.resnet.torch (datasets/transforms.lua): area and
    aspect are uniform, and height and width change places in half of the
    draws. The first of `attempts` windows that fits is taken, at a place that
    is uniform too. If none fits, it is the largest square in the middle; the
    original resizes the image before it cuts this square, so that its place
    differs by less than a pixel, and what is around it is seen at its edges.

    Large areas fit less often: they are rarer than with `RandomAreaCrop`.
    """

    size: int
    area: tuple[float, float]
    aspect: tuple[float, float]
    attempts: int
    resampling: tuple[str, ...]

    def __call__(self, view: View, rng: Rng) -> View:
        (small, large), (tall, wide) = self.area, self.aspect
        drawn = rng.uniform(3 + 3 * self.attempts)
        area, aspect, swap = tf.unstack(tf.reshape(drawn[3:], (3, self.attempts)))
        source = tf.stack(view.source)
        area = (small + area * (large - small)) * tf.reduce_prod(tf.cast(source, tf.float32))
        aspect = tall + aspect * (wide - tall)
        aspect = tf.where(swap < 0.5, 1 / aspect, aspect)
        sides = tf.stack([tf.sqrt(area / aspect), tf.sqrt(area * aspect)], 1)
        sizes = tf.maximum(tf.cast(tf.round(sides), tf.int32), 1)
        square = tf.fill([1, 2], tf.reduce_min(source))
        sizes = tf.concat([sizes, square], axis=0)
        chosen = tf.where(tf.reduce_all(sizes <= source, axis=1))[0, 0]
        height, width = tf.unstack(sizes[chosen])
        middle = tf.stack([0.5, 0.5, drawn[2]])
        place = tf.where(chosen == self.attempts, middle, drawn[:3])
        return _zoom(view, height, width, place, self)


@dataclasses.dataclass(frozen=True)
class DistortedBoxCrop(Geometric):
    """As TensorFlow's sample_distorted_bounding_box without boxes.

    The aspect is drawn uniformly, then the height, in whole pixels, from that
    of the smallest to that of the largest area, as far as it fits into the
    image. Small areas are thus more frequent than large ones: of a photograph
    of 4:3, 1.1 % of the windows have more than 90 % of the area. Both are drawn
    again if the window covers too little. An image in which no attempt succeeds
    is taken whole. All places are equally likely (TensorFlow leaves out the
    last row and the last column of places).

    Attributes:
        covered: The least share of a box that is seen; the box is the image.
        attempts: Pairs of aspect and height that are drawn at the most.
    """

    size: int
    area: tuple[float, float]
    aspect: tuple[float, float]
    covered: float
    attempts: int
    resampling: tuple[str, ...]

    def __call__(self, view: View, rng: Rng) -> View:
        (small, large), (tall, flat) = self.area, self.aspect
        drawn = rng.uniform(3 + 2 * self.attempts)
        first, second = tf.unstack(tf.reshape(drawn[3:], (2, self.attempts)))
        high, wide = (tf.cast(side, tf.float32) for side in view.source)
        aspect = tall + first * (flat - tall)
        least = tf.round(tf.sqrt(small * high * wide / aspect))
        most = tf.round(tf.sqrt(large * high * wide / aspect))
        most = tf.minimum(most, tf.floor((wide + 0.5) / aspect))
        most = tf.minimum(most, high)
        least = tf.minimum(least, most)
        height = least + tf.floor(second * (most - least + 1))
        width = tf.round(height * aspect)
        share = height * width / (high * wide)
        good = (share >= max(small, self.covered)) & (share <= large) & (width <= wide)
        chosen = tf.where(tf.concat([good, [True]], 0))[0, 0]
        height, width = (
            tf.cast(tf.concat([sides, [whole]], 0)[chosen], tf.int32)
            for sides, whole in ((height, high), (width, wide))
        )
        return _zoom(view, height, width, drawn[:3], self)


def _zoom(view: View, height: Any, width: Any, drawn: Any, crop: Any) -> View:
    """A window at a place that was drawn, resized to `crop.size` by a filter that was.

    Raises:
        UsageError: if the image was cut or resized before.
    """
    room = tf.stack([view.source[0] - height, view.source[1] - width]) + 1
    place = tf.cast(drawn[:2] * tf.cast(room, tf.float32), tf.int32)
    choice = tf.cast(drawn[2] * len(crop.resampling), tf.int32)
    box = Box(place[0], place[1], height, width)
    return view.zoom(Patch(box, crop.resampling, choice), crop.size)
