"""Randomness per example: a function of (seed, epoch, position, operation)."""

import dataclasses
from typing import Any

import numpy as np


def mix(*numbers: int) -> int:
    """One number of 63 random bits out of several that are not negative."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


@dataclasses.dataclass(frozen=True)
class Key:
    """What one operation's draws for one example depend on.

    Attributes:
        stream: `mix(seed, epoch, operation)`; an int.
        position: The example's place in the epoch; a scalar int64 tensor.
    """

    stream: int
    position: Any

    def uniform(self, count: int) -> Any:
        """`count` numbers in [0, 1)."""
        import tensorflow as tf

        return tf.random.stateless_uniform((count,), self._seed())

    def normal(self, count: int) -> Any:
        """`count` numbers from the standard normal distribution."""
        import tensorflow as tf

        return tf.random.stateless_normal((count,), self._seed())

    def _seed(self) -> Any:
        import tensorflow as tf

        stream = tf.constant(self.stream, tf.int64)
        return tf.stack([stream, tf.cast(self.position, tf.int64)])
