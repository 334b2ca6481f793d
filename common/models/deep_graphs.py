"""Networks of a thousand layers: Keras walks a graph by recursion."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def recursion_limit(least: int) -> Iterator[None]:
    """Python's limit is at least this meanwhile.

    keras.Model(inputs, outputs) goes a few calls deep for each operation on
    the longest path of the graph.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, least))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
