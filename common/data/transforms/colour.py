"""The colour distortions of Howard 2013 and of fb.resnet.torch."""

import dataclasses
import functools
import itertools
from typing import Any, ClassVar

from common.data.transforms.operation import Context, Operation
from common.errors import UsageError
from common.lazy import np, tf

_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green, blue: PIL's "L"


def brightness(image: Any, amount: Any) -> Any:
    """A blend with black: 0 is black, 1 the image, above 1 lighter."""
    return tf.clip_by_value(amount * image, 0.0, 255.0)


def contrast(image: Any, amount: Any) -> Any:
    """A blend with the image's mean grey level: 0 is that grey alone."""
    # Rows first: three numbers at a time would take twice as long.
    mean = tf.reduce_mean(tf.reduce_mean(image, axis=0), axis=0)
    level = tf.reduce_sum(mean * tf.constant(_LUMINANCE))
    return tf.clip_by_value(amount * image + (1 - amount) * level, 0.0, 255.0)


def colour(image: Any, amount: Any) -> Any:
    """A blend with the grey image: 0 is grey, above 1 more saturated."""
    # Constants: what TensorFlow computes in a branch, it computes each time.
    grey = np.repeat(np.float32(_LUMINANCE)[:, None], 3, axis=1)
    same = np.eye(3, dtype=np.float32)
    mix = amount * same + (1 - amount) * grey  # of the channels, into each
    return tf.clip_by_value(tf.tensordot(image, mix, 1), 0.0, 255.0)


_MANIPULATIONS = (contrast, brightness, colour)


@dataclasses.dataclass(frozen=True)
class PhotometricDistortions(Operation):
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

    def __call__(self, image: Any, context: Context) -> Any:
        if image.shape[2] != 3:
            raise UsageError("PhotometricDistortions is for RGB images")
        drawn = context.rng.uniform(4)
        amounts = tf.unstack(self.low + drawn[:3] * (self.high - self.low))
        orders = tuple(itertools.permutations(range(len(amounts))))
        which = tf.cast(drawn[3] * len(orders), tf.int32)
        for step in tf.unstack(tf.gather(tf.constant(orders), which)):
            # Three branches at each step: six orders as branches take longer.
            branches = [
                functools.partial(manipulate, image, amount)
                for manipulate, amount in zip(_MANIPULATIONS, amounts, strict=True)
            ]
            image = tf.switch_case(step, branches)
        return image


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lighting(Operation):
    """Add sum_i a_i l_i v_i to all pixels, a_i ~ N(0, std), once per image.

    Lighting of fb.resnet.torch, with the l_i, of pixels 0 .. 1, and the v_i of
    its datasets/imagenet.lua. It is weaker than PcaColourNoise: the l_i are
    eigenvalues, and that takes their roots, 0.47 for 0.2175.

    Attributes:
        std: Of the a_i.
    """

    std: float
    of_pixels: ClassVar[bool] = True
    values: ClassVar[tuple[float, ...]] = (0.2175, 0.0188, 0.0045)
    vectors: ClassVar[tuple[tuple[float, ...], ...]] = (  # a row per channel
        (-0.5675, 0.7192, 0.4009),
        (-0.5808, -0.0045, -0.8140),
        (-0.5836, -0.6948, 0.4203),
    )

    def __call__(self, image: Any, context: Context) -> Any:
        scaled = np.float32(self.vectors) * np.float32(self.values)
        draws = context.rng.normal(3) * (255 * self.std)
        noise = tf.linalg.matvec(scaled, draws)
        return image + tf.tile(noise[None], [image.shape[1], 1])  # as rows
