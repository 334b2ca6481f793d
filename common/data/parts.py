"""A worker's part of every global batch.

Which examples a batch has, in which order and how drawn, does not depend on
the number of workers. Each takes one run of positions of every batch; what
belongs to the others it neither decodes nor, where examples are found by
their index, reads.
"""

from typing import Any, NamedTuple


class Part(NamedTuple):
    """Positions index * B / count ... of every global batch of B.

    Attributes:
        index: Of this worker.
        count: Of workers.
        devices: Of this worker; each element is the share of one of them.
    """

    index: int = 0
    count: int = 1
    devices: int = 1

    def own(self, numbered: Any, batch_size: int) -> Any:
        """Of a tf.data.Dataset of (position, element), this worker's."""
        if self.count == 1:
            return numbered
        share = batch_size // self.count
        return numbered.filter(
            lambda position, _: position % batch_size // share == self.index
        )

    def own_records(self, records: Any, batch_size: int) -> Any:
        """Of a tf.data.Dataset whose positions count from 0, this worker's."""
        if self.count == 1:
            return records
        numbered = self.own(records.enumerate(), batch_size)
        return numbered.map(lambda _, record: record)

    def missing(self, examples: int, batch_size: int) -> int:
        """How many blanks fill this worker's part of the last batch."""
        share = batch_size // self.count
        rest = examples % batch_size or batch_size
        return share - min(max(rest - self.index * share, 0), share)

    def batches(self, examples: Any, batch_size: int) -> Any:
        """This worker's examples as its parts of global batches."""
        import tensorflow as tf

        if self.count > 1:
            batch_size //= self.count * self.devices
        options = tf.data.Options()
        options.deterministic = True
        # Its thread is not woken when an iterator is deleted, which then waits
        # for it, up to a minute (TensorFlow 2.21).
        options.autotune.enabled = False
        # Each worker has taken its part already; replicas split the rest.
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.OFF
        )
        batches = examples.batch(batch_size, drop_remainder=True)
        return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


WHOLE = Part()
