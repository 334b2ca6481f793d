"""A worker's part of every global batch.

Which examples a batch has, in which order and how drawn, does not depend on
the number of workers. Each takes one run of positions of every batch; what
belongs to the others it neither decodes nor, where examples are found by
their index, reads.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from common.lazy import tf

MANY = 128  # examples, or a few less, that are made together


class WorkerShard(NamedTuple):
    """Positions index * B / count ... of every global batch of B."""

    index: int = 0  # of this worker
    count: int = 1  # of workers
    devices: int = 1  # of this worker; each element is the share of one of them

    def select(self, numbered: Any, batch_size: int) -> Any:
        """Of a tf.data.Dataset of (position, element), this worker's."""
        if self.count == 1:
            return numbered
        share = batch_size // self.count
        return numbered.filter(lambda position, _: position % batch_size // share == self.index)

    def select_records(self, records: Any, batch_size: int) -> Any:
        """Of a tf.data.Dataset whose positions count from 0, this worker's."""
        if self.count == 1:
            return records
        numbered = self.select(records.enumerate(), batch_size)
        return numbered.map(lambda _, record: record)

    def count_missing(self, examples: int, batch_size: int) -> int:
        """How many blanks fill this worker's part of the last batch."""
        share = batch_size // self.count
        rest = examples % batch_size or batch_size
        return share - min(max(rest - self.index * share, 0), share)

    def batch(self, examples: Any, batch_size: int) -> Any:
        """This worker's examples as its parts of global batches."""
        share = self._share(batch_size)
        return _prefetch(examples.batch(share, drop_remainder=True))

    def make_batches(self, elements: Any, batch_size: int, make: Callable) -> Any:
        """The same, where `make` makes the examples of many elements."""
        share = self._share(batch_size)
        shares = elements.batch(share, drop_remainder=True)
        if share >= MANY:
            return _prefetch(parallel_map(shares, make))

        def several(*rows: Any) -> tuple:
            made = make(*(tf.reshape(r, [-1]) for r in rows))
            shapes = [[-1, share, *m.shape[1:]] for m in made]
            pairs = zip(made, shapes, strict=True)
            return tuple(tf.reshape(*pair) for pair in pairs)

        return _prefetch(parallel_map(shares.batch(MANY // share), several).unbatch())

    def _share(self, batch_size: int) -> int:
        """Of one device, where there are several workers."""
        if self.count == 1:
            return batch_size
        return batch_size // (self.count * self.devices)


def _prefetch(batches: Any) -> Any:
    """The batches, some of them made before they are asked for."""
    options = tf.data.Options()
    options.deterministic = True
    # Each worker has taken its part already; replicas split the rest.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def parallel_map(dataset: Any, function: Callable, at_once: int | None = None) -> Any:
    """Maps in order, with `at_once` parallel calls (default: one a core).

    tf.data's tuner is off. In TensorFlow 2.21 its thread is woken when an
    iterator is deleted, may look before the deletion can be seen, and then
    waits for its next turn, which is up to a minute away; so did each epoch.
    """
    plain = tf.autograph.experimental.do_not_convert(function)
    options = tf.data.Options()
    options.autotune.enabled = False
    at_once = at_once or len(os.sched_getaffinity(0))
    examples = dataset.map(plain, at_once, deterministic=True)
    return examples.with_options(options)


WHOLE = WorkerShard()
