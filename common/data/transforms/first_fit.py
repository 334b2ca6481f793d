"""A crop that is drawn again until it fits.

See common.data.transforms. Importing this module imports no TensorFlow.
"""

import dataclasses
from typing import Any, ClassVar

from common.data.keys import Key
from common.data.transforms.scales import anywhere, scaled_size
from common.data.transforms.view import View


@dataclasses.dataclass(frozen=True)
class FirstFittingAreaCrop:
    """Cut a share of the image's area, resize it to size x size, as FAIR does.

    RandomSizedCrop of fb.resnet.torch (datasets/transforms.lua): area and
    aspect are uniform, and height and width change places in half of the
    draws. The first of `attempts` windows that fits is taken, at a place that
    is uniform too. If none fits, it is the largest square in the middle; the
    original resizes the image before it cuts this square, so that its place
    differs by less than a pixel, and what is around it is seen at its edges.

    Large areas fit less often: they are rarer than with `RandomAreaCrop`,
    which also says where it may stand.

    Attributes:
        size: Of the result, pixels.
        area: (lowest, highest) share of the image's area.
        aspect: (lowest, highest) width / height, before they change places.
        attempts: Windows that are drawn.
        resampling: As RandomAreaCrop's.
    """

    size: int
    area: tuple[float, float]
    aspect: tuple[float, float]
    attempts: int
    resampling: tuple[str, ...]
    geometric: ClassVar[bool] = True

    def __call__(self, view: View, key: Key) -> View:
        """See the class.

        Raises:
            UsageError: if the image was cut or resized before.
        """
        import tensorflow as tf

        drawn = key.uniform(3 + 3 * self.attempts)
        source = tf.stack(view.source)
        square = tf.fill([1, 2], tf.reduce_min(source))
        sizes = tf.concat([self._sizes(source, drawn[3:]), square], axis=0)
        chosen = tf.where(tf.reduce_all(sizes <= source, axis=1))[0, 0]
        height, width = tf.unstack(sizes[chosen])
        middle = tf.stack([0.5, 0.5, drawn[2]])
        place = tf.where(chosen == self.attempts, middle, drawn[:3])
        return anywhere(view, height, width, place, self.resampling, self.size)

    def _sizes(self, source: Any, drawn: Any) -> Any:
        """(attempts, 2), heights and widths; some do not fit into `source`."""
        import tensorflow as tf

        area, aspect, swap = tf.unstack(tf.reshape(drawn, (3, self.attempts)))
        (small, large), (tall, wide) = self.area, self.aspect
        area = (small + area * (large - small)) * tf.reduce_prod(tf.cast(source, tf.float32))
        aspect = tall + aspect * (wide - tall)
        aspect = tf.where(swap < 0.5, 1 / aspect, aspect)
        sides = tf.stack([tf.sqrt(area / aspect), tf.sqrt(area * aspect)], 1)
        return tf.maximum(tf.cast(tf.round(sides), tf.int32), 1)

    def scaled(self, factor: float) -> "FirstFittingAreaCrop":
        """For an input `factor` times as large; the shares stay."""
        return dataclasses.replace(self, size=scaled_size(self.size, factor))
