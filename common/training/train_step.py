"""What one update of the weights does: read `TrainStep` from top to bottom."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from common.distribution.batch_slice import batch_slice, per_replica_batch_size
from common.distribution.strategy import SUM
from common.errors import UsageError
from common.models.max_pooling import repeatable_gradient
from common.recipes.losses import plain


class TrainStep:
    """`update(batch, step, rates)` makes one update, on all replicas.

    Args:
        model: The network; its batch normalisation's statistics move, too.
        optimizer: From common.training.optimizers.
        loss: (outputs, labels) -> (examples,).
        strategy: The replicas.
        global_batch_size: Examples of an update, of all replicas.
        seed: Of dropout.
        microbatches: Parts that a replica's share is computed in.
        jit_compile: Whether XLA compiles it: on one device the whole update, on several the
            gradients of each.
        resident: A common.data.resident.ResidentSet: then every replica is given the whole batch,
            as rows of what was drawn for it. Otherwise it is given (images, labels), its share.
        finish: Turns what the host sent into the network's input; None if nothing is left to do.

    Raises:
        UsageError: if the batch does not divide, or XLA cannot compile that.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        loss: Callable,
        strategy: tf.distribute.Strategy,
        *,
        global_batch_size: int,
        seed: int,
        microbatches: int = 1,
        jit_compile: bool = False,
        resident: Any = None,
        finish: Callable | None = None,
    ):
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.strategy, self.resident, self.finish = strategy, resident, finish
        self.seed, self.batch_size, self.microbatches = seed, global_batch_size, microbatches
        replicas = strategy.num_replicas_in_sync
        self.size = per_replica_batch_size(global_batch_size, replicas, microbatches)
        self.jit_compile = jit_compile
        # Of frozen layers: a mean over microbatches would change their last bits.
        self.frozen = {id(v) for x in model.layers if not x.trainable for v in x.variables}
        if jit_compile and replicas == 1:
            self.update = tf.function(self.update, jit_compile=True)
        elif jit_compile:
            for layer in model.layers:
                if getattr(layer, "synchronized", False):
                    raise UsageError(
                        f"--jit_compile on several devices does not work with {model.name}: its "
                        f"batch normalisation ({layer.name}) takes the statistics of all devices, "
                        "which XLA cannot ask for. Add --set synchronized_batch_norm=False, or "
                        "--nojit_compile."
                    )
            self.compute_gradients = tf.function(self.compute_gradients, jit_compile=True)

    def update(self, batch: Any, step: Any, rates: Any) -> list[tf.Tensor]:
        """All replicas' gradients, then the weights' update; called inside a tf.function.

        Args:
            batch: See the class.
            step: Updates made before, an int64 scalar.
            rates: The learning rates, (groups,) float32.

        Returns:
            Scalars: the batch's mean loss, its mean of common.recipes.losses.plain, and how many of
            its images were classified wrongly.
        """
        self.optimizer.rates.assign(rates)
        totals, gradients, overflows = self.strategy.run(self.replica_step, args=(batch, step))
        # `apply` adds up the replicas' gradients, clips, decays and updates.
        if self.optimizer.loss_scale is None:
            self.strategy.run(self.apply, args=(gradients,))
        else:
            finite = self.strategy.reduce(SUM, overflows, None) == 0
            if finite:  # known to all replicas: they update, or none does
                self.strategy.run(self.apply, args=(gradients,))
            self.optimizer.rescale(finite)
        return [self.strategy.reduce(SUM, total, None) for total in totals]

    def apply(self, gradients):
        """The optimizer's update of the weights, in one replica."""
        self.optimizer.apply(gradients, self.model.trainable_variables)

    def replica_step(self, batch, step):
        """One replica's totals, gradients, and how many of them overflow."""
        share, tables = self.microbatches * self.size, []
        start = tf.distribute.get_replica_context().replica_id_in_sync_group * share
        if self.resident:
            batch, tables = _rows(batch, start, share), self.resident.tables
        weights = self.model.trainable_variables
        statistics = self.model.non_trainable_variables
        totals, gradients, moved = self.compute_gradients(
            [tf.convert_to_tensor(v.value) for v in weights],
            [tf.convert_to_tensor(v.value) for v in statistics],
            batch,
            [tf.convert_to_tensor(table) for table in tables],
            start,
            step,
            self.optimizer.scale(),
        )
        self.assign_statistics(statistics, moved)
        overflows = 0
        if self.optimizer.loss_scale is not None:
            for gradient in filter(lambda g: g is not None, gradients):
                infinite = ~tf.math.is_finite(gradient)
                overflows += tf.math.count_nonzero(infinite, dtype=tf.int32)
        return totals, gradients, overflows

    def assign_statistics(self, statistics, moved):
        """In one replica; where there are several, their mean, as of microbatches.

        Assigned as it is, each would keep its own, and only the first one's are saved.
        """
        pairs = zip(statistics, moved, strict=True)
        pairs = [(v, x) for v, x in pairs if id(v) not in self.frozen]
        floats = [x for _, x in pairs if x.dtype.is_floating]  # a counter has no mean
        if floats and self.strategy.num_replicas_in_sync > 1:
            context = tf.distribute.get_replica_context()
            # Identities: several hosts refuse what was only read, such as LeNet-5's fixed codes.
            means = context.all_reduce(tf.distribute.ReduceOp.MEAN, list(map(tf.identity, floats)))
            means = iter(means)
            pairs = [(v, next(means) if x.dtype.is_floating else x) for v, x in pairs]
        for variable, value in pairs:
            variable.assign(value)

    def compute_gradients(self, weights, statistics, batch, tables, start, step, scale):
        """The gradients of one replica's share; `start` is its first position in the global batch.

        A pure function. The losses are divided by the global batch size, so that sums over
        microbatches and replicas are means over the whole batch. Each microbatch updates batch
        normalisation's averages from the same old values; the results are averaged.

        Returns:
            Totals, as of `update`; gradients, None for weights without; and the new statistics.
        """
        totals, gradients, moved = (0.0, 0.0, 0), None, []
        for number in range(self.microbatches):
            first, part = number * self.size, batch
            if self.microbatches > 1:
                part = _rows(batch, first, self.size)
            if self.resident:
                part = self.resident.examples(part, *tables)
            images, labels = part
            if self.finish:
                images = self.finish(images)
            outputs, new_statistics = self.forward(weights, statistics, images, step, start + first)
            mean = tf.reduce_sum(self.loss(outputs, labels)) / self.batch_size
            own = tf.reduce_sum(plain(self.loss, outputs, labels))
            new = tf.gradients(
                # Scaled in float16, or the smallest would become zero.
                mean if scale is None else scale * mean,
                weights,
                # Two at a time; three and more are added in any order.
                aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE,
            )
            if scale is not None:
                new = [g if g is None else g / scale for g in new]
            sums = mean, own / self.batch_size, count_wrong(outputs, labels)
            totals = [a + b for a, b in zip(totals, sums, strict=True)]
            if gradients is not None:
                pairs = zip(gradients, new, strict=True)
                new = [a if a is None else a + b for a, b in pairs]
            gradients = new
            moved.append(new_statistics)
        if self.microbatches > 1:
            means = [sum(v) / len(v) for v in zip(*moved, strict=True)]
            return totals, gradients, means
        return totals, gradients, moved[0]

    def forward(self, weights, statistics, images, step, start):
        """Outputs in float32, and the statistics moved by these images."""
        where = batch_slice(seed=self.seed, step=step, start=start, size=self.batch_size)
        with where, repeatable_gradient() if self.jit_compile else contextlib.nullcontext():
            outputs, statistics = self.model.stateless_call(
                weights, statistics, images, training=True
            )
        return tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), outputs), statistics


def _rows(batch: Any, start: Any, count: int) -> Any:
    """`count` examples of a batch, from `start` on."""

    def cut(x):
        begin = tf.stack([start] + [0] * (len(x.shape) - 1))
        return tf.slice(x, begin, [count, *x.shape[1:]])

    return tf.nest.map_structure(cut, batch)


def count_wrong(outputs: Any, labels: tf.Tensor) -> tf.Tensor:
    """How many of the main head's first choices are not the label, int32."""
    logits = outputs[0] if isinstance(outputs, list | tuple) else outputs
    choice = tf.argmax(logits, axis=-1, output_type=labels.dtype)
    return tf.reduce_sum(tf.cast(choice != labels, tf.int32))
