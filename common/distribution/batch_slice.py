"""Which part of the global batch a replica is looking at.

Keras gives every replica the same dropout mask. Here a layer that draws random numbers in training
asks for the present slice and draws what belongs to those positions of the global batch, so that
neither the number of replicas nor of microbatches changes the result.
"""

import contextlib
import contextvars
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from common.errors import UsageError
from common.lazy import tf


class BatchSlice(NamedTuple):
    """A replica's share of one training batch.

    Attributes:
        seed: The run's seed.
        step: Scalar int64 tensor, the number of updates made before.
        start: Scalar int tensor, the position of the first example in the global batch.
        size: Examples in the global batch.
    """

    seed: int
    step: Any
    start: Any
    size: int

    def uniform(self, layer: str, shape: tuple[int, ...]) -> Any:
        """Numbers in [0, 1) for one layer at this step, (shape) float32.

        The same bits on every device, by XLA and without: those of tf.random.stateless_uniform on
        a CPU, which makes a fraction of the lowest 23 bits of Philox's words, where XLA takes the
        highest.
        """
        stream = zlib.crc32(f"{self.seed}/{layer}".encode())
        words = tf.random.stateless_uniform(
            shape,
            tf.stack([tf.constant(stream, tf.int64), self.step]),
            minval=None,
            maxval=None,
            dtype=tf.uint32,
            alg="philox",  # not chosen by the device
        )
        fraction = tf.bitwise.bitwise_and(words, tf.constant(2**23 - 1, tf.uint32))
        return tf.cast(fraction, tf.float32) * 2.0**-23


_CURRENT: contextvars.ContextVar[BatchSlice | None] = contextvars.ContextVar(
    "batch_slice", default=None
)


def current() -> BatchSlice | None:
    """The slice of the training step being traced; None outside of one."""
    return _CURRENT.get()


@contextlib.contextmanager
def batch_slice(*, seed: int, step: Any, start: Any, size: int) -> Iterator:
    """Layers called inside see this slice of the global batch."""
    token = _CURRENT.set(BatchSlice(seed, step, start, size))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def per_replica_batch_size(global_batch_size: int, replicas: int, microbatches: int) -> int:
    """Images that one replica sees at a time.

    More devices never change the recipe: the global batch is the paper's.

    Raises:
        UsageError: if the paper's batch does not divide.
    """
    parts = replicas * microbatches
    if global_batch_size % parts:
        most = min(global_batch_size, max(2 * parts, 256))
        fits = ", ".join(str(n) for n in range(1, most + 1) if global_batch_size % n == 0)
        raise UsageError(
            f"The recipe's batch of {global_batch_size} does not divide among {replicas} devices x "
            f"{microbatches} microbatches. Parts that divide it: {fits}."
        )
    return global_batch_size // parts
