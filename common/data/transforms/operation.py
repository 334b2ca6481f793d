"""What every operation of preprocessing is, and what it may know of an image.

Importing this module imports no TensorFlow.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from common.data.rng import Rng
from common.errors import UsageError

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Statistics:
    """Of the training set's frames, pixels 0 .. 255; see common.data.statistics.

    Attributes:
        mean_image: (F, F, C) float32, the mean of each pixel of the frame.
        pixel_mean: (C,) float64, over all pixels of all frames.
        pixel_std: (C,) float64, likewise.
        covariance: (C, C) float64, of the channels, over the same pixels.
    """

    mean_image: "np.ndarray"
    pixel_mean: "np.ndarray"
    pixel_std: "np.ndarray"
    covariance: "np.ndarray"


@dataclasses.dataclass(frozen=True)
class Context:
    """What a pixel operation may know of its image.

    Attributes:
        top: The window's place in the frame, pixels; an int or a tensor, of
            one number for each image if there are many.
        left: Likewise.
        mirrored: Whether left and right were exchanged.
        statistics: Of the training set; None if no operation needs them.
        rng: For the operation's draws; None in tests.
        drawn: What the operation's `draw` gave, if that was called before;
            None leaves it to the operation.
    """

    top: Any
    left: Any
    mirrored: Any
    statistics: Statistics | None
    rng: Rng | None = None
    drawn: Any = None


class Operation:
    """One operation of a paper: a frozen value, called with an image or a view of it.

    A geometric one maps (view, rng) to a view; one of pixel values (image,
    context) to an image, both (height, width, channels) float32.

    Attributes:
        geometric: Which of the two it is.
        needs_statistics: Whether it uses those of the training set.
        batched: Whether it works on many images of one size as on one, with the
            same bits: their axis comes first, and so it does in what is drawn.
        uniforms: If it is `batched`: how many numbers in [0, 1) it draws.
        on_device: Whether it works on many images, with what `draw` gave before,
            and XLA compiles it.
        inside: If it is geometric: whether the window stays inside of the canvas.
        lengths: The fields that are pixels of the network's input.
    """

    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = False
    batched: ClassVar[bool] = False
    uniforms: ClassVar[int] = 0
    on_device: ClassVar[bool] = False
    inside: ClassVar[bool] = False
    lengths: ClassVar[tuple[str, ...]] = ()

    def draw(self, context: Context) -> Any:
        """What is drawn for one image, (n,), to be used in another place."""
        import tensorflow as tf

        return tf.zeros(0)

    def scaled(self, factor: float) -> "Operation":
        """The same operation for a network whose input is `factor` times as large."""
        changed = {}
        for name in self.lengths:
            length = getattr(self, name) * factor
            changed[name] = length if isinstance(getattr(self, name), float) else round(length)
        return dataclasses.replace(self, **changed)

    def require_statistics(self, context: Context) -> Statistics:
        """The context's.

        Raises:
            UsageError: if it has none.
        """
        if context.statistics is None:
            raise UsageError(f"{type(self).__name__} needs the statistics of the training set")
        return context.statistics


@dataclasses.dataclass(frozen=True)
class UntilEpoch:
    """`operation` in the epochs before `epoch`, nothing from then on.

    Epochs are counted from 0. The pipeline takes it apart.
    """

    epoch: int
    operation: Any

    def scaled(self, factor: float) -> "UntilEpoch":
        """The operation scaled."""
        return UntilEpoch(self.epoch, self.operation.scaled(factor))


def active(transforms: tuple, epoch: int) -> list[tuple[int, Operation]]:
    """(place in `transforms`, operation) of those at work in an epoch."""
    unwrapped = []
    for place, transform in enumerate(transforms):
        if isinstance(transform, UntilEpoch):
            if epoch >= transform.epoch:
                continue
            transform = transform.operation
        unwrapped.append((place, transform))
    return unwrapped
