"""The training step: many updates in one call, on any number of devices.

Not `model.fit`: that fails under MultiWorkerMirroredStrategy (DESIGN.md 6).
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from common.batch_slice import batch_slice, per_replica_batch_size
from common.errors import UsageError

SUM = tf.distribute.ReduceOp.SUM
MAX_UPDATES = 256  # in one call


def repeat_bit_for_bit() -> None:
    """The same step on the same machine gives the same bits from now on."""
    tf.config.experimental.enable_op_determinism()
    # That overlooks AddN: it adds to whichever of its inputs is free first.
    # `gradients` has no use for it, if Grappler does not put it back.
    tf.config.optimizer.set_experimental_options(
        {"arithmetic_optimization": False}
    )


def make_train_steps(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: Callable,
    strategy: tf.distribute.Strategy,
    *,
    global_batch_size: int,
    seed: int,
    microbatches: int = 1,
    jit_compile: bool = False,
) -> Callable:
    """`run(iterator, step, updates, rates)` makes `updates` updates.

    `step` is the number of updates made before, an int64 scalar; `rates` is
    (MAX_UPDATES, groups) float32. Returns two (updates,) tensors: mean loss
    of each batch, and how many of its images were classified wrongly.

    Raises:
        UsageError: if the batch does not divide, or XLA meets several devices.
    """
    size, replicas = global_batch_size, strategy.num_replicas_in_sync
    share = per_replica_batch_size(size, replicas, microbatches)
    _check_xla(jit_compile, replicas)

    def replica_step(images, labels, step):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        totals, grads = [0.0, 0], None
        for part in range(microbatches):
            start = (replica * microbatches + part) * share
            with batch_slice(seed=seed, step=step, start=start, size=size):
                span = slice(part * share, (part + 1) * share)
                totals, grads = _with_gradients(
                    totals, grads, model, loss, images[span], labels[span], size
                )
        optimizer.apply(grads, model.trainable_variables)
        return totals

    if jit_compile:
        replica_step = tf.function(replica_step, jit_compile=True)
    return _repeated(replica_step, optimizer, strategy)


def _check_xla(jit_compile: bool, replicas: int) -> None:
    if jit_compile and replicas > 1:
        raise UsageError(
            "--jit_compile works on one device only: XLA cannot compile a step "
            f"whose variables lie on {replicas} devices (keras issue 18145)."
        )


def _repeated(replica_step: Callable, optimizer, strategy) -> Callable:
    """The function of `make_train_steps`, from the step of one replica."""

    @tf.function
    def run(iterator, step, updates, rates):
        losses = tf.TensorArray(tf.float32, updates)
        wrong = tf.TensorArray(tf.int32, updates)
        for i in tf.range(updates):
            optimizer.rates.assign(rates[i])
            images, labels = next(iterator)
            here = step + tf.cast(i, tf.int64)
            totals = strategy.run(replica_step, args=(images, labels, here))
            losses = losses.write(i, strategy.reduce(SUM, totals[0], None))
            wrong = wrong.write(i, strategy.reduce(SUM, totals[1], None))
        return losses.stack(), wrong.stack()

    return run


def gradients(model, loss, images, labels, global_batch_size: int) -> tuple:
    """(loss, wrong, gradients) of a share of the batch.

    The share's losses are divided by the global batch size, so that sums over
    replicas and microbatches are the means over the whole batch.
    """
    outputs = model(images, training=True)
    outputs = tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), outputs)
    total = tf.reduce_sum(loss(outputs, labels)) / global_batch_size
    grads = tf.gradients(
        total,
        [v.value for v in model.trainable_variables],
        # Two at a time; three and more come in any order.
        aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE,
    )
    return total, wrong_count(outputs, labels), grads


def wrong_count(outputs, labels) -> tf.Tensor:
    """How many of the main head's first choices are not the label, int32."""
    logits = outputs[0] if isinstance(outputs, list | tuple) else outputs
    choice = tf.argmax(logits, axis=-1, output_type=labels.dtype)
    return tf.reduce_sum(tf.cast(choice != labels, tf.int32))


def _with_gradients(totals, grads, *share) -> tuple[list, list]:
    """`totals` and `grads` with those of another share added."""
    *measured, new = gradients(*share)
    totals = [t + m for t, m in zip(totals, measured, strict=True)]
    if grads is None:
        return totals, new
    pairs = zip(grads, new, strict=True)
    return totals, [None if g is None else g + n for g, n in pairs]


def distribute(strategy: tf.distribute.Strategy, batches: tf.data.Dataset):
    """An iterator over `batches`, each split among the replicas in order."""
    if strategy.num_replicas_in_sync == 1 and isinstance(
        strategy, tf.distribute.OneDeviceStrategy
    ):
        return iter(batches)
    return iter(strategy.experimental_distribute_dataset(batches))
