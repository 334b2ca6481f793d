"""Randomness: of an epoch's order, and per example by (seed, epoch, position, operation)."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from common.lazy import np, tf

_LOW = 2**32 - 1
_FACTORS = 0xD2511F53, 0xCD9E8D57
_KEY_STEPS = 0x9E3779B9, 0xBB67AE85
_SEED_KEY = 0x3EC8F720, 0x02461E29  # TensorFlow's, to scramble seeds with


def fold_in(*numbers: int) -> int:
    """One number of 63 random bits out of several that are not negative."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1


def permute(size: int, seed: int, epoch: int) -> "np.ndarray":
    """The order of an epoch of what is held in memory or is a folder: (size,) indices.

    What is streamed is shuffled by common.data.sources.tfds.RecordSource.shuffled.
    """
    return np.random.default_rng((seed, epoch)).permutation(size)


def number(order: "np.ndarray", skip: int) -> Any:
    """A tf.data.Dataset of (position, index), from position `skip` on."""
    positions = np.arange(skip, len(order))
    return tf.data.Dataset.from_tensor_slices((positions, order[skip:]))


@dataclasses.dataclass(frozen=True)
class ExampleRng:
    """What one operation draws for one example."""

    stream: int  # `fold_in(seed, epoch, operation)`
    position: Any  # the example's place in the epoch; a scalar int64 tensor

    def uniform(self, count: int) -> Any:
        """`count` numbers in [0, 1)."""
        return tf.random.stateless_uniform((count,), self._seed())

    def normal(self, count: int) -> Any:
        """`count` numbers from the standard normal distribution."""
        return tf.random.stateless_normal((count,), self._seed())

    def _seed(self) -> Any:
        stream = tf.constant(self.stream, tf.int64)
        return tf.stack([stream, tf.cast(self.position, tf.int64)])


@dataclasses.dataclass(frozen=True)
class BatchRng:
    """What one operation draws for many examples, all of it drawn before."""

    numbers: Any  # (examples, n) in [0, 1); see `draw_uniform`

    def uniform(self, count: int) -> Any:
        """(count, examples) numbers: those that ExampleRng gives each of them."""
        return tf.transpose(self.numbers[:, :count])


Rng = ExampleRng | BatchRng


def draw_uniform(stream: int, positions: "np.ndarray", count: int) -> "np.ndarray":
    """(positions, count) float32 in [0, 1): `ExampleRng.uniform` of each, in NumPy.

    A row has the bits of `tf.random.stateless_uniform((count,), (stream,
    position))` on a CPU: Philox 4x32 with ten rounds (Salmon et al. 2011).

    Args:
        stream, positions: The seeds' numbers, not negative: an int, and (positions,) int64.
        count: Numbers of each seed.
    """
    places = positions.astype(np.uint64)
    halves = (stream & _LOW, stream >> 32)
    counter = [np.full_like(places, half) for half in halves]
    counter += [places & _LOW, places >> 32]
    scrambled = _philox(counter, _SEED_KEY)
    words = []
    for block in range(-(-count // 4)):
        counter = [np.full_like(places, block), np.zeros_like(places)]
        words += _philox(counter + scrambled[2:], scrambled[:2])
    # The lowest 23 bits become the fraction of a number in [1, 2).
    bits = np.stack(words[:count], axis=1) & (2**23 - 1)
    ones = bits.astype(np.uint32) | np.uint32(127 << 23)
    return ones.view(np.float32) - np.float32(1)


def _philox(counter: list, key: Sequence) -> "list[np.ndarray]":
    """Four numbers of 32 bits, in uint64 as all here, for each counter."""
    a, b, c, d = counter
    for _ in range(10):
        first, second = _FACTORS[0] * a, _FACTORS[1] * c
        a, b = (second >> 32) ^ b ^ key[0], second & _LOW
        c, d = (first >> 32) ^ d ^ key[1], first & _LOW
        steps = zip(key, _KEY_STEPS, strict=True)
        key = [(k + step) & _LOW for k, step in steps]
    return [a, b, c, d]
