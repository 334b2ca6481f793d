"""The one training loop, for every paper and any number of devices.

It runs epochs of compiled steps, drives Keras callbacks, measures the test split after each epoch,
writes checkpoints, and continues from them exactly: what a resumed run computes depends on the
checkpoint and the step alone.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from common.data import examples, pipeline
from common.data.dataset import TrainingSource
from common.data.diagnosis import explained
from common.distribution.collectives import Workers
from common.distribution.strategy import distribute, on_gpus
from common.errors import NotFinite
from common.evaluation.evaluator import Evaluator, Result
from common.evaluation.views import FrameView
from common.recipes.recipe import Recipe, is_small
from common.training import checkpoints
from common.training.health import require_finite, require_moved
from common.training.optimizers import rates_at
from common.training.run_record import Run
from common.training.signals import Signals, Stopped
from common.training.steps import MAX_UPDATES, Rows, TrainSteps
from common.training.train_step import TrainStep

RECOVERY = 0.1  # times the rate, each time that a training goes back
CALL_SECONDS = 0.5  # that one call should take; a signal waits as long


@dataclasses.dataclass(kw_only=True)
class State:
    """Where a run stands: everything but the variables; JSON-able.

    Attributes:
        epoch: Epochs finished.
        step: Updates made in all.
        losses, plain_losses, wrong: Sums over the batches of the epoch that is, or was, trained.
        history: One row per finished epoch.
        seconds: Spent training, over all sessions.
        recovered: How often it went back to a checkpoint, with a smaller rate.
    """

    epoch: int = 0
    step: int = 0
    losses: float = 0.0
    plain_losses: float = 0.0
    wrong: int = 0
    history: list[dict] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    recovered: int = 0

    def add(self, losses, plain_losses, wrong) -> None:
        """Adds batches' means and counts, each (updates,)."""
        # One by one: the sums do not depend on how many come in a call.
        for loss, own in zip(losses.tolist(), plain_losses.tolist(), strict=True):
            self.losses += loss
            self.plain_losses += own
        self.wrong += int(wrong.sum())

    def means(self, steps: int, recipe: Recipe) -> dict[str, float]:
        """Of an epoch's `steps` batches, for its row."""
        means = {"loss": self.losses / steps}
        if hasattr(recipe.loss, "plain"):  # of which the loss holds more
            means["cross_entropy"] = self.plain_losses / steps
        means["top1_error"] = 100 * self.wrong / (steps * recipe.global_batch_size)
        return means

    def reopen(self, steps_per_epoch: int, recipe: Recipe) -> None:
        """Goes back into the last epoch, which its last update had cut short."""
        row = self.history.pop()
        self.epoch -= 1
        if self.losses:
            return
        # A checkpoint of before these sums were kept: to the digits of the row.
        steps = self.step - self.epoch * steps_per_epoch
        self.losses = row["loss"] * steps
        self.plain_losses = row.get("cross_entropy", 0.0) * steps
        self.wrong = round(row["top1_error"] / 100 * steps * recipe.global_batch_size)


def has_stalled(history: list[dict], patience: int | None) -> bool:
    """Whether the last `patience` epochs had no lower error than those before."""
    errors = [row["val_top1_error"] for row in history]
    return bool(patience and errors) and len(errors) - errors.index(min(errors)) > patience


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What is trained, on what, and where it is written.

    Attributes:
        resident: The training set on the devices, a common.data.resident.ResidentSet; None where
            it is streamed.
    """

    recipe: Recipe
    source: TrainingSource
    statistics: Any
    resident: Any
    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    strategy: tf.distribute.Strategy
    run: Run
    seed: int
    microbatches: int
    jit_compile: bool
    checkpoint_seconds: float
    recover: int = 0  # times at most


class Loop:
    """Trains a job to its last epoch; `train` may be called once."""

    def __init__(self, job: Job, callbacks: list[keras.callbacks.Callback]):
        self.job = job
        self.steps_per_epoch = pipeline.steps_per_epoch(job.source, job.recipe)
        self.updates = pipeline.updates(job.source, job.recipe)
        job.optimizer.build(job.model.trainable_variables)
        job.model.optimizer = job.optimizer
        self.variables = checkpoints.named_variables(job.model, job.optimizer)
        self.workers = Workers(job.strategy)
        self.state = self._restored()
        self.resumed_from = self.state.step
        self.callbacks = keras.callbacks.CallbackList(
            callbacks,
            model=job.model,
            epochs=-(-self.updates // self.steps_per_epoch),
            steps=self.steps_per_epoch,
            updates=self.updates,
            verbose=0,
        )
        self.evaluator = Evaluator(
            model=job.model,
            strategy=job.strategy,
            source=job.source,
            recipe=job.recipe,
            statistics=job.statistics,
            # On a CPU XLA's convolutions of so many images are slower.
            jit_compile=job.jit_compile and on_gpus(job.strategy),
        )
        self._train_steps = {}  # by the operations that are part of a step
        self._saved_at = time.monotonic()
        self._steps_per_call = 1

    def _restored(self) -> State:
        """Of the chief's newest checkpoint, whose values all workers get.

        Its last epoch goes on, where an earlier end of the training had cut it short.
        """
        found = None
        if self.workers.chief:
            found = checkpoints.restore(self.job.run.checkpoints, self.variables)
        self.ignored = found.pop("damaged") if found else []
        if self.ignored:
            self.job.run.update(damaged_checkpoints=self.ignored)
        state = found or dataclasses.asdict(State())
        if self.workers.count > 1:
            arrays = self.workers.broadcast(checkpoints.pack(self.variables, state))
            state = checkpoints.unpack(self.variables, arrays)
        state = State(**state)
        if state.step < min(state.epoch * self.steps_per_epoch, self.updates):
            state.reopen(self.steps_per_epoch, self.job.recipe)
        return state

    def train(self, signals: Signals, progress: Callable[[int, int], None]) -> State:
        """Runs the epochs that are left.

        Args:
            signals: Asks the loop to stop.
            progress: Called with (images done, images) while testing.

        Raises:
            RunError: if the loss is not finite or does not move at all, the data is damaged, or
                the disk is full.
            Stopped: after a SIGTERM or SIGINT; the checkpoint is written.
        """
        self.job.run.write_history(self.state.history)
        self.job.model.stop_training = False
        self.callbacks.on_train_begin()
        if self.job.recover and not self.state.step:
            self.save()  # to go back to
        while not self.is_over():
            try:
                self._train_epoch(signals)
                self._finish_epoch(signals, progress)
            except NotFinite as error:
                self._recover(error)
            if self.job.model.stop_training:  # a callback's wish
                break
        self.callbacks.on_train_end()
        return self.state

    def _recover(self, error: NotFinite) -> None:
        """Goes back to the last good checkpoint, with a smaller rate.

        Raises:
            NotFinite: `error`, if that was done as often as it may be.
        """
        times, diverged = self.state.recovered + 1, self.state.step
        if times > self.job.recover:
            raise error
        self.state = self._restored()
        self.state.recovered = times
        self.job.run.note_recovery(times, diverged, self.state.step, RECOVERY**times, str(error))
        self.save()  # a kill now does not forget it

    def is_over(self) -> bool:
        """Whether no update is left, or `patience` is at its end; and all is tested."""
        state = self.state
        stalled = has_stalled(state.history, self.job.recipe.patience)
        tested = state.epoch * self.steps_per_epoch >= state.step
        return (state.step >= self.updates or stalled) and tested

    @property
    def ended_early(self) -> bool:
        """Whether it is over with updates left."""
        return self.is_over() and self.state.step < self.updates

    def end(self) -> str:
        """What of the recipe ends the training, as --set takes it."""
        recipe, last = self.job.recipe, self.job.recipe.updates
        if self.ended_early:
            return f"patience={recipe.patience}"
        return f"updates={last}" if last == self.updates else f"epochs={recipe.epochs}"

    def _epoch_end(self) -> int:
        """The number of updates made when this epoch ends."""
        return min((self.state.epoch + 1) * self.steps_per_epoch, self.updates)

    def _train_epoch(self, signals: Signals) -> None:
        state, job = self.state, self.job
        done = state.step - state.epoch * self.steps_per_epoch
        self.callbacks.on_epoch_begin(state.epoch)
        if not done:
            state.losses, state.plain_losses, state.wrong = 0.0, 0.0, 0
            self._prepare_epoch()
        if job.resident:
            batches = self._rows()
        else:
            batches = distribute(job.strategy, self.batches(done))
        end = self._epoch_end()
        while state.step < end:
            self._make_updates(batches, min(self._steps_per_call, end - state.step))
            received = self._signal_on_any_worker(signals)
            if received or time.monotonic() - self._saved_at >= job.checkpoint_seconds:
                self.save()
            if received:
                raise Stopped(received, state.step)
            # All take the chief's pace: they must make the same calls.
            self._steps_per_call = int(self.workers.all_gather(self._steps_per_call)[0, 0])

    def _train_steps_of_epoch(self) -> TrainSteps:
        """Those in which the device does what is left to do to this epoch's images."""
        job, key = self.job, tuple(self._operations())
        if key not in self._train_steps:
            finish = key and examples.finish_on_device(job.recipe, job.statistics, self.state.epoch)
            step = TrainStep(
                job.model,
                job.optimizer,
                job.recipe.loss,
                job.strategy,
                global_batch_size=job.recipe.global_batch_size,
                seed=job.seed,
                microbatches=job.microbatches,
                jit_compile=job.jit_compile,
                resident=job.resident,
                finish=finish or None,
            )
            of_rows = on_gpus(job.strategy) or is_small(job.recipe)
            self._train_steps[key] = TrainSteps(step, compile_loop=of_rows)
        return self._train_steps[key]

    def _operations(self) -> list:
        """What the device does to the images of this epoch's stream."""
        if self.job.resident:
            return []
        return examples.split_operations(self.job.recipe, self.state.epoch).device

    def _rows(self) -> Rows:
        """What is drawn for this epoch's batches, on the devices."""
        steps, size = self.steps_per_epoch, self.job.recipe.global_batch_size
        drawn = self.job.resident.draw(
            seed=self.job.seed, epoch=self.state.epoch, count=steps * size
        )
        values = {
            name: tf.constant(x.reshape(steps, size, *x.shape[1:])) for name, x in drawn.items()
        }
        return Rows(values, tf.constant(self.state.epoch * steps, tf.int64))

    def batches(self, skip_steps: int) -> tf.data.Dataset:
        """This epoch's, without the first; see common.data.pipeline."""
        job = self.job
        return pipeline.train_batches(
            job.source,
            job.recipe,
            job.statistics,
            seed=job.seed,
            epoch=self.state.epoch,
            skip_steps=skip_steps,
            shard=self.workers.shard,
            for_device=bool(self._operations()),
        )

    def _prepare_epoch(self) -> None:
        job, prepare = self.job, self.job.recipe.before_epoch
        if prepare is None:
            return
        images = job.source.dataset.splits["train"]
        size = min(prepare.samples or images, images)
        where = {"seed": job.seed, "epoch": self.state.epoch, "size": size}
        if job.resident:
            batch = job.resident.sample_batch(**where)
        else:
            batch = pipeline.sample_batch(job.source, job.recipe, job.statistics, **where)
        prepare(job.model, job.optimizer, job.recipe.loss, batch)

    def _make_updates(self, batches: Iterator | Rows, steps: int) -> None:
        """Makes `steps` updates in one call, and looks at their losses."""
        state, recipe = self.state, self.job.recipe
        rates = self._rates(state.step, steps)
        self.callbacks.on_train_batch_begin(state.step)
        began = time.monotonic()
        with explained(self.job.source, "train", recipe):
            run = self._train_steps_of_epoch()
            losses, own, wrong, waited = run(batches, state.step, rates)
            losses, own, wrong = losses.numpy(), own.numpy(), wrong.numpy()
        seconds = time.monotonic() - began
        folder = self.job.run.checkpoints
        require_finite(losses, first_step=state.step, epoch=state.epoch, folder=folder)
        state.step += steps
        state.seconds += seconds
        state.add(losses, own, wrong)
        if seconds < CALL_SECONDS and steps == self._steps_per_call:
            self._steps_per_call = min(2 * steps, MAX_UPDATES)
        elif seconds > 2 * CALL_SECONDS:
            self._steps_per_call = max(1, steps // 2)
        seen = steps * recipe.global_batch_size
        logs = {
            "loss": float(losses.mean()),
            "top1_error": 100 * float(wrong.sum()) / seen,
            "images_per_second": seen / seconds,
            "input_wait": min(1.0, float(waited) / seconds),
        }
        self.callbacks.on_train_batch_end(state.step - 1, logs)

    def _rates(self, step: int, steps: int) -> list[list[float]]:
        """Of `steps` updates of this epoch, from `step` on: (updates, groups)."""
        state, smaller = self.state, RECOVERY**self.state.recovered
        where = {"epoch": state.epoch, "history": state.history}
        where["steps_per_epoch"] = self.steps_per_epoch
        rates = [rates_at(self.job.recipe, step=step + i, **where) for i in range(steps)]
        return [[smaller * rate for rate in each] for each in rates]

    def _finish_epoch(self, signals: Signals, progress: Callable) -> None:
        state, recipe = self.state, self.job.recipe
        try:
            result = self.measure(recipe.monitor, signals, progress)
        except Stopped:
            self.save()  # the epoch's last steps; the test is done again
            raise
        steps = self._epoch_end() - state.epoch * self.steps_per_epoch
        row = {
            "epoch": state.epoch + 1,
            "step": state.step,
            "learning_rate": self._rates(state.step - 1, 1)[0][-1],  # of its last update
            **state.means(steps, recipe),
            "val_loss": result.loss,
            "val_top1_error": result.top1_error,
            "val_top5_error": result.top5_error,
            "seconds": round(state.seconds, 1),
        }
        state.history.append(row)
        state.epoch += 1
        self.save()
        self.job.run.write_history(state.history)
        numbers = {k: v for k, v in row.items() if v is not None}
        self.callbacks.on_epoch_end(state.epoch - 1, numbers)
        require_moved(row, recipe)

    def measure(self, view: str, signals: Signals, progress: Callable) -> Result:
        """The errors on the test split under `view`.

        Of the averaged weights, where the recipe averages them.

        Raises:
            Stopped: after a SIGTERM or SIGINT, between two batches.
        """

        def watch(*counts: int) -> None:
            if received := self._signal_on_any_worker(signals):
                raise Stopped(received, self.state.step)  # it can be done again: nothing is written
            progress(*counts)

        seen = FrameView(name=view, size=self.job.recipe.image_size)
        with self.tested_weights():
            return self.evaluator.measure(view, seen, watch)

    def tested_weights(self):
        """A context in which the model has the weights that are tested."""
        return self.job.optimizer.averaged(self.job.model.trainable_variables)

    def _signal_on_any_worker(self, signals: Signals) -> int:
        """The signal that any worker has received, or 0; all must ask."""
        return int(self.workers.all_gather(signals.received or 0).max())

    def save(self) -> None:
        """Writes a checkpoint of this moment, on the chief."""
        if self.workers.chief:
            state = dataclasses.asdict(self.state)
            checkpoints.save(self.job.run.checkpoints, state["step"], self.variables, state)
        self._saved_at = time.monotonic()
