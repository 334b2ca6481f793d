"""The colour distortions of Howard 2013.

Importing this module imports no TensorFlow.
"""

import dataclasses
import itertools
from typing import Any, ClassVar

from common.data.pixels import Context
from common.errors import UsageError

_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green, blue: PIL's "L"


def brightness(image: Any, amount: Any) -> Any:
    """A blend with black: 0 is black, 1 the image, above 1 lighter."""
    return _cut_off(_blend(0.0, image, amount))


def contrast(image: Any, amount: Any) -> Any:
    """A blend with the image's mean grey level: 0 is that grey alone."""
    import tensorflow as tf

    mean = tf.reduce_mean(image, axis=[0, 1])
    level = tf.reduce_sum(mean * tf.constant(_LUMINANCE))
    return _cut_off(_blend(level, image, amount))


def colour(image: Any, amount: Any) -> Any:
    """A blend with the grey image: 0 is grey, above 1 more saturated."""
    import tensorflow as tf

    grey = tf.repeat(tf.constant(_LUMINANCE)[:, None], 3, axis=1)
    mix = _blend(grey, tf.eye(3), amount)  # of the channels, into each
    return _cut_off(tf.tensordot(image, mix, 1))


def _blend(without: Any, image: Any, amount: Any) -> Any:
    return amount * image + (1 - amount) * without


def _cut_off(image: Any) -> Any:
    import tensorflow as tf

    return tf.clip_by_value(image, 0.0, 255.0)


_MANIPULATIONS = (contrast, brightness, colour)


@dataclasses.dataclass(frozen=True)
class PhotometricDistortions:
    """Change contrast, brightness and colour, in a random order.

    Howard 2013 (arXiv:1312.5402), Sec. 2: "randomly manipulate the contrast,
    brightness and color using the python image library"; "a random order for
    the three manipulations" and "a number between 0.5 and 1.5 for the amount of
    enhancement" for each. The six orders are equally likely, the amounts
    uniform. As PIL's ImageEnhance, each step cut off at 0 and 255, but values
    are not made whole. Named by Szegedy et al. 2014, Sec. 6.

    Attributes:
        low: The least amount; 1 changes nothing.
        high: The greatest.
    """

    low: float
    high: float
    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = False

    def __call__(self, image: Any, context: Context) -> Any:
        """See the class; the image is (height, width, 3), 0 .. 255."""
        import tensorflow as tf

        if image.shape[2] != 3:
            raise UsageError("PhotometricDistortions is for RGB images")
        drawn = context.key.uniform(4)
        amounts = tf.unstack(self.low + drawn[:3] * (self.high - self.low))
        steps = tuple(zip(_MANIPULATIONS, amounts, strict=True))
        orders = [
            lambda order=order: _in_turn(image, order)
            for order in itertools.permutations(steps)
        ]
        which = tf.cast(drawn[3] * len(orders), tf.int32)
        return tf.switch_case(which, orders)

    def scaled(self, factor: float) -> "PhotometricDistortions":
        """The same."""
        return self


def _in_turn(image: Any, steps: tuple) -> Any:
    for manipulate, amount in steps:
        image = manipulate(image, amount)
    return image
