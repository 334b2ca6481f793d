"""The training step: many updates in one call, on any number of devices.

Not `model.fit`: that fails under MultiWorkerMirroredStrategy (DESIGN.md 6).
"""

import functools
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from common.batch_slice import batch_slice, per_replica_batch_size
from common.errors import UsageError
from common.losses import plain

SUM = tf.distribute.ReduceOp.SUM
_MAX_POOLING = keras.layers.MaxPooling2D
MAX_UPDATES = 256  # in one call
TIMED_UPDATES = 16  # of them or a few more; a look at the clock: 0.04 ms


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
    (MAX_UPDATES, groups) float32. Returns three (updates,) tensors, batches'
    mean losses, means of common.losses.plain, and images classified wrongly;
    and the seconds of waiting for input.

    Raises:
        UsageError: if the batch does not divide, or XLA cannot compile that.
    """
    size, replicas = global_batch_size, strategy.num_replicas_in_sync
    share = per_replica_batch_size(size, replicas, microbatches)
    _check_xla(jit_compile, model, replicas, optimizer)

    about = model, loss, optimizer, seed, size, share, microbatches
    make = _plain_step if optimizer.loss_scale is None else _scaled_step
    parts = (_replica_step(*about), model, optimizer, strategy, jit_compile)
    return _repeated(make(*parts), optimizer, strategy)


def _replica_step(model, loss, optimizer, seed, size, share, microbatches):
    """A replica's loss, errors and gradients, of all parts of its share."""

    def step_of(images, labels, step):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        totals, grads, scale = [0.0, 0.0, 0], None, optimizer.scale()
        averages = MovingAverages(model, microbatches)
        for part in range(microbatches):
            start = (replica * microbatches + part) * share
            where = batch_slice(seed=seed, step=step, start=start, size=size)
            span = slice(part * share, (part + 1) * share)
            with averages, where:
                totals, grads = _with_gradients(
                    *(totals, grads, model, loss),
                    *(images[span], labels[span], size, scale),
                )
        return totals, grads

    return step_of


class MovingAverages:
    """Batch normalisation's, which move once in an update.

    Entered for each part of a batch. Each part moves them from where they
    were before the update, and they end as the mean of that.
    """

    def __init__(self, model: keras.Model, parts: int):
        self._variables = model.non_trainable_variables if parts > 1 else []
        self._before = [tf.identity(v.value) for v in self._variables]
        self._moved: list[list[tf.Tensor]] = []

    def __enter__(self) -> None:
        for variable, value in zip(self._variables, self._before, strict=True):
            variable.assign(value)

    def __exit__(self, *_) -> None:
        self._moved.append([tf.identity(v.value) for v in self._variables])
        columns = zip(self._variables, *self._moved, strict=True)
        for variable, *values in columns:
            variable.assign(sum(values) / len(values))


def _plain_step(replica_step, model, optimizer, strategy, jit_compile):
    """The step of all replicas: gradients, then the update."""

    def whole(*args):
        totals, grads = replica_step(*args)
        optimizer.apply(grads, model.trainable_variables)
        return totals

    if jit_compile:
        whole = tf.function(whole, jit_compile=True)
    return functools.partial(strategy.run, whole)


def _scaled_step(replica_step, model, optimizer, strategy, jit_compile):
    """The same, which leaves out updates that overflow; without XLA."""

    def measured(*args):
        totals, grads = replica_step(*args)
        sound = [tf.math.is_finite(g) for g in grads if g is not None]
        whole = tf.reduce_all([tf.reduce_all(s) for s in sound])
        return totals, grads, tf.cast(not whole, tf.int32)

    def apply(grads):
        optimizer.apply(grads, model.trainable_variables)

    def step(args):
        totals, grads, broken = strategy.run(measured, args=args)
        finite = strategy.reduce(SUM, broken, None) == 0
        if finite:  # known to all replicas: they update, or none does
            strategy.run(apply, args=(grads,))
        optimizer.rescale(finite)
        return totals

    return step


def _check_xla(jit_compile: bool, model, replicas: int, optimizer) -> None:
    if not jit_compile:
        return
    if replicas > 1:
        raise UsageError(
            "--jit_compile works on one device only: XLA cannot compile a step "
            f"whose variables lie on {replicas} devices (keras issue 18145)."
        )
    if optimizer.loss_scale is not None:
        raise UsageError(
            "--jit_compile does not work with --precision mixed_float16; "
            "mixed_bfloat16 needs no loss scaling and works with both."
        )
    pools = [x for x in model.layers if isinstance(x, _MAX_POOLING)]
    if pools:
        raise UsageError(
            f"--jit_compile does not work with {model.name}: XLA's gradient of "
            f"max pooling ({pools[0].name}) does not repeat bit for bit, so "
            "TensorFlow refuses it here."
        )


def _repeated(step_of: Callable, optimizer, strategy) -> Callable:
    """The function of `make_train_steps`, from one step of all replicas."""

    @tf.function
    def run(iterator, step, updates, rates):
        types = (tf.float32, tf.float32, tf.int32)
        measured = [tf.TensorArray(each, updates) for each in types]
        waited = tf.constant(0.0, tf.float64)
        every = tf.maximum(updates // TIMED_UPDATES, 1)
        for i in tf.range(updates):
            optimizer.rates.assign(rates[i])
            asked = _clock(i % every == 0)
            with tf.control_dependencies([asked]):
                images, labels = next(iterator)
            with tf.control_dependencies(
                strategy.experimental_local_results(images)
            ):
                waited += _clock(i % every == 0) - asked
            # The clock is read first, also where there is but one thread.
            with tf.control_dependencies([waited]):
                here = step + tf.cast(i, tf.int64)
                totals = step_of(args=(images, labels, here))
            measured = [
                array.write(i, strategy.reduce(SUM, total, None))
                for array, total in zip(measured, totals, strict=True)
            ]
        timed = (updates + every - 1) // every
        waited *= tf.cast(updates / timed, tf.float64)
        return *(array.stack() for array in measured), waited

    return run


def _clock(timed) -> tf.Tensor:
    """Seconds, where the update is timed; else 0.

    Not tf.timestamp: TensorFlow refuses it where it repeats bit for bit.
    """

    def seconds():
        return tf.numpy_function(
            lambda: np.float64(time.monotonic()), [], tf.float64
        )

    def nothing():
        return tf.constant(0.0, tf.float64)

    return tf.ensure_shape(tf.cond(timed, seconds, nothing), ())


def gradients(
    model, loss, images, labels, global_batch_size: int, scale=None
) -> tuple:
    """(loss, plain loss, wrong, gradients) of a share of the batch.

    In float16 the loss is multiplied by `scale`, and the gradients divided by
    it, so that the smallest do not become zero. The share's losses are divided
    by the global batch size, so that sums over replicas and microbatches are
    the means over the whole batch.
    """
    outputs = model(images, training=True)
    outputs = tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), outputs)
    total = tf.reduce_sum(loss(outputs, labels)) / global_batch_size
    own = tf.reduce_sum(plain(loss, outputs, labels)) / global_batch_size
    grads = tf.gradients(
        total if scale is None else scale * total,
        [v.value for v in model.trainable_variables],
        # Two at a time; three and more come in any order.
        aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE,
    )
    if scale is not None:
        grads = [g if g is None else g / scale for g in grads]
    return total, own, wrong_count(outputs, labels), grads


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
    """An iterator over `batches`, each split among the replicas in order.

    Of several workers each gives its own part: see common.data.parts.
    """
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return iter(
            strategy.distribute_datasets_from_function(lambda _: batches)
        )
    if strategy.num_replicas_in_sync == 1 and isinstance(
        strategy, tf.distribute.OneDeviceStrategy
    ):
        return iter(batches)
    return iter(strategy.experimental_distribute_dataset(batches))


def padded(rates: list[list[float]]) -> tuple[tf.Tensor, tf.Tensor]:
    """(number of updates, rates): always of one shape, to trace but once."""
    table = np.zeros((MAX_UPDATES, len(rates[0])), np.float32)
    table[: len(rates)] = rates
    return tf.constant(len(rates)), tf.constant(table)
