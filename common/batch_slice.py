"""Which part of the global batch a replica is looking at.

Keras gives every replica the same dropout mask (PEERS.md 2.A, row 8). Here a
layer that draws random numbers in training asks for the present slice and
draws what belongs to those positions of the global batch, so that neither the
number of replicas nor of microbatches changes the result.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, NamedTuple


class BatchSlice(NamedTuple):
    """A replica's share of one training batch.

    Attributes:
        seed: The run's seed.
        step: Scalar int64 tensor, the number of updates made before.
        start: Scalar int tensor, the position of the first example in the
            global batch.
        size: Examples in the global batch.
    """

    seed: int
    step: Any
    start: Any
    size: int


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
