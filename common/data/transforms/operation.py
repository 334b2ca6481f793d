"""What every operation of preprocessing is, and what it may know of an image."""

import dataclasses
from typing import Any, ClassVar

from common.data.rng import Rng
from common.errors import UsageError
from common.lazy import np, tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Statistics:
    """Of the training set's frames, pixels 0 .. 255; see common.data.statistics."""

    mean_image: "np.ndarray"  # (F, F, C) float32, the mean of each pixel of the frame
    pixel_mean: "np.ndarray"  # (C,) float64, over all pixels of all frames
    pixel_std: "np.ndarray"  # likewise
    covariance: "np.ndarray"  # (C, C) float64, of the channels, over the same pixels


@dataclasses.dataclass(frozen=True)
class Context:
    """What an operation on pixel values may know of its image, or images."""

    top: Any  # the window's place in the frame: an int or a tensor, of one or of many
    left: Any
    mirrored: Any  # whether left and right were exchanged
    statistics: Statistics | None  # None if no operation needs them
    rng: Rng | None = None  # for the operation's draws
    drawn: Any = None  # what its `draw` gave, if that was called before


class Operation:
    """One operation of a paper: a frozen value, called with an image or a view of it.

    One of pixel values maps (image, context) to an image, both (height, width,
    channels) float32; a `Geometric` one (view, rng) to a view.
    """

    geometric: ClassVar[bool] = False
    needs_statistics: ClassVar[bool] = False  # of the training set
    # Whether it works on many images of one size as on one, with the same bits: their
    # axis comes first, and so it does in what is drawn, `uniforms` numbers in [0, 1).
    batched: ClassVar[bool] = False
    uniforms: ClassVar[int] = 0
    # Whether it works on many images, with what `draw` gave, and XLA compiles it.
    on_device: ClassVar[bool] = False
    inside: ClassVar[bool] = False  # whether a geometric one's window stays on the canvas
    of_pixels: ClassVar[bool] = False  # whether what it adds is in pixels, 0 .. 255, of RGB
    only_subtracts: ClassVar[bool] = False  # whether pixels keep that unit and order
    # The fields, of those it has, that are pixels of the network's input.
    lengths: ClassVar[tuple[str, ...]] = ("size", "pixels")

    def draw(self, context: Context) -> Any:
        """What is drawn for one image, (n,), to be used in another place."""
        return tf.zeros(0)

    def scaled(self, factor: float) -> "Operation":
        """The same operation for a network whose input is `factor` times as large."""
        lengths = {n: v for n, v in vars(self).items() if n in self.lengths}
        for name, length in lengths.items():
            lengths[name] = length * factor if isinstance(length, float) else round(length * factor)
        return dataclasses.replace(self, **lengths)

    def frame_for(self, window: Any, statistics: Statistics | None) -> tuple[int, int] | None:
        """(height, width) that a view's frame must have, so that its window has a place; or None.

        Args:
            window: A common.data.transforms.view.Box of that size.
        """
        return None

    def require_statistics(self, context: Context) -> Statistics:
        """The context's.

        Raises:
            UsageError: if it has none.
        """
        if context.statistics is None:
            raise UsageError(f"{type(self).__name__} needs the statistics of the training set")
        return context.statistics


class Geometric(Operation):
    """An operation on views: what part of an image is seen, and how large."""

    geometric: ClassVar[bool] = True


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
