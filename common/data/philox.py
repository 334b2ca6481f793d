"""tf.random.stateless_uniform for many seeds at once, in NumPy.

Importing this module imports no TensorFlow.
"""

import numpy as np

_LOW = np.uint64(2**32 - 1)
_HALF = np.uint64(32)
_FACTORS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = 0x9E3779B9, 0xBB67AE85
_SEED_KEY = 0x3EC8F720, 0x02461E29  # TensorFlow's, to scramble seeds with


def uniform(stream: int, positions: np.ndarray, count: int) -> np.ndarray:
    """(positions, count) float32 in [0, 1).

    A row has the bits of `tf.random.stateless_uniform((count,), (stream,
    position))` on a CPU: Philox 4x32 with ten rounds (Salmon et al. 2011).

    Args:
        stream: The first number of the seed, not negative.
        positions: The second, (positions,) int64, not negative.
        count: Numbers of each seed.
    """
    places = positions.astype(np.uint64)
    halves = (stream & 2**32 - 1, stream >> 32)
    counter = [np.full_like(places, half) for half in halves]
    counter += [places & _LOW, places >> _HALF]
    scrambled = _rounds(counter, [np.uint64(half) for half in _SEED_KEY])
    words = []
    for block in range(-(-count // 4)):
        counter = [np.full_like(places, block), np.zeros_like(places)]
        words += _rounds(counter + scrambled[2:], scrambled[:2])
    # The lowest 23 bits become the fraction of a number in [1, 2).
    bits = np.stack(words[:count], axis=1) & np.uint64(2**23 - 1)
    ones = bits.astype(np.uint32) | np.uint32(127 << 23)
    return ones.view(np.float32) - np.float32(1)


def _rounds(counter: list, key: list) -> list[np.ndarray]:
    """Four numbers of 32 bits, in uint64 as all here, for each counter."""
    a, b, c, d = counter
    for _ in range(10):
        first, second = _FACTORS[0] * a, _FACTORS[1] * c
        a, b = (second >> _HALF) ^ b ^ key[0], second & _LOW
        c, d = (first >> _HALF) ^ d ^ key[1], first & _LOW
        steps = zip(key, _KEY_STEPS, strict=True)
        key = [(k + np.uint64(step)) & _LOW for k, step in steps]
    return [a, b, c, d]
