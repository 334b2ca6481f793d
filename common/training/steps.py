"""Many updates of the weights in one call; common.training.train_step has one."""

import time
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from common.errors import UsageError
from common.training.train_step import TrainStep

MAX_UPDATES = 1024  # in one call


def repeat_bit_for_bit() -> None:
    """The same step on the same machine gives the same bits from now on."""
    tf.config.experimental.enable_op_determinism()
    # It does not cover AddN, whose order of adding varies. Our gradients avoid AddN; this keeps
    # Grappler from inserting it again.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


class Rows(NamedTuple):
    """The training batches of one epoch, all of them on the devices.

    Attributes:
        values: A structure of tensors, (updates of the epoch, batch, ...).
        start: Updates that were made before the epoch, an int64 scalar.
    """

    values: Any
    start: Any


class TrainSteps:
    """`run(batches, step, rates)` makes up to MAX_UPDATES updates.

    Args (of `__init__`):
        compile_loop: Whether XLA compiles the loop over a resident set's batches, too, if it
            compiles at all, and on one device: then there is nothing between updates. On a CPU it
            computes convolutions inside of loops in one thread and naively: 50 times slower for
            ResNet-20, three times faster for LeNet-5's single images.
    """

    def __init__(self, train_step: TrainStep, *, compile_loop: bool = False):
        self.train_step = train_step
        alone = train_step.strategy.num_replicas_in_sync == 1
        compiled = train_step.jit_compile and compile_loop and alone
        self._of_rows = tf.function(self._run_rows, jit_compile=compiled)
        self._of_iterator = tf.function(self._run_iterator)

    def __call__(
        self, batches: Any, step: int, rates: list[list[float]]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, float]:
        """Makes an update with each of `rates`.

        Args:
            batches: Of a resident set Rows, else an iterator.
            step: Updates made before.
            rates: Learning rates, (updates, groups).

        Returns:
            Three (updates,) tensors of what TrainStep.update returns, and the seconds waited for
            input.

        Raises:
            UsageError: if there is something that XLA cannot compile.
        """
        updates, groups = np.shape(rates)
        table = np.zeros((MAX_UPDATES, groups), np.float32)  # of one shape, to trace but once
        table[:updates] = rates
        where, table = tf.constant(step, tf.int64), tf.constant(table)
        try:
            if not isinstance(batches, Rows):
                return self._stream(batches, where, updates, table)
            totals = self._of_rows(batches, where, tf.constant(updates), table)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            said = [n for n in str(error).splitlines() if "XLA" in n]
            if not said:
                raise
            name = self.train_step.model.name
            raise UsageError(
                f"XLA cannot compile {name}: {said[0][:300]}. Add --nojit_compile."
            ) from error
        return *(total[:updates] for total in totals), 0.0

    def _stream(self, iterator, step, updates, rates):
        """The first update by itself, then the others: see `waited`.

        The clock is read here, not in the graph, which then need not ask Python for it. What an
        update takes with its batch at hand is that of the first; the others' time beyond it is the
        waiting.
        """
        began = time.monotonic()
        batch, one = next(iterator), tf.constant(1)
        asked = time.monotonic()
        parts = [self._of_iterator(batch, iterator, step, one, rates)]
        parts[0][0][0].numpy()
        alone = time.monotonic() - asked
        if updates > 1:
            rest, later = tf.constant(updates - 1), tf.roll(rates, -1, axis=0)
            batch = next(iterator)
            parts.append(self._of_iterator(batch, iterator, step + 1, rest, later))
            parts[1][0][0].numpy()
        counts = (1, updates - 1)
        totals = [
            tf.concat([x[:n] for x, n in zip(each, counts, strict=False)], 0)
            for each in zip(*parts, strict=True)
        ]
        waited = time.monotonic() - began - updates * alone
        return *totals, max(0.0, waited)

    def _run_rows(self, rows, step, updates, rates):
        last = tf.nest.flatten(rows.values)[0].shape[0] - 1

        def row(here):  # not x[...]: XLA would compile again for each number
            place = tf.minimum(here - rows.start, last)
            return tf.nest.map_structure(lambda x: tf.gather(x, place), rows.values)

        # After the last update a row is taken in vain: on a GPU XLA waits for every branch.
        return self._loop(row(step), lambda here, *_: row(here), step, updates, rates)

    def _run_iterator(self, first, iterator, step, updates, rates):
        def following():
            # Of several workers only the first batch's shape is known here.
            return tf.nest.map_structure(
                lambda new, old: tf.ensure_shape(new, old.shape),
                next(iterator),
                first,
                expand_composites=True,
            )

        def batch_after(_, more, batch):
            return tf.cond(more, following, lambda: batch)

        return self._loop(first, batch_after, step, updates, rates)

    def _loop(self, batch, batch_after, step, updates, rates):
        types = (tf.float32, tf.float32, tf.int32)
        losses, own, wrong = (tf.TensorArray(t, MAX_UPDATES, element_shape=()) for t in types)
        i = tf.constant(0)
        while i < updates:  # not tf.range: XLA would compile for each number
            here = step + tf.cast(i, tf.int64)
            totals = self.train_step.update(batch, here, tf.gather(rates, i))
            losses = losses.write(i, totals[0])
            own = own.write(i, totals[1])
            wrong = wrong.write(i, totals[2])
            i += 1
            batch = batch_after(here + 1, i < updates, batch)
        return losses.stack(), own.stack(), wrong.stack()
