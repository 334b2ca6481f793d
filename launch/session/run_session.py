"""What a training writes of itself into its run's record."""

import dataclasses
import os
import pathlib

import keras
import tensorflow as tf

import reproductions
from common.distribution import hardware
from common.distribution.collectives import Workers
from common.errors import RunError
from common.files import save_weights
from common.models.preprocessing import RECIPE, write
from common.recipes.recipe import Override, Recipe
from common.recipes.serialization import describe, describe_recipe
from common.training import checkpoints
from common.training.loop import Loop, State
from common.training.run_record import (
    LENGTH,
    Onlooker,
    Run,
    differences,
    merged,
    now,
    open_run,
    require_same_run,
    session_facts,
)
from launch.session.results_table import results_table
from launch.settings.options import Training
from launch.terminal.progress import Progress
from launch.weights.run_weights import BEST


def open_record(
    workers: Workers, training: Training, identity: dict, strategy, updates: int
) -> Run | Onlooker:
    """The run's folder, which only the chief opens.

    Raises:
        RunError: if it holds another run, or one that has made more than the `updates`
            that this one is to make.
    """
    workdir = training.settings.workdir
    if not workers.chief:
        return Onlooker(workdir)
    require_same_run(workdir, identity, renewed=training.settings.renewed)
    there = checkpoints.newest_first(workdir / "checkpoints")
    if there and (made := checkpoints.step_of(there[0])) > updates:
        longer = "epochs" if training.experiment.recipe.updates is None else "updates"
        raise RunError(
            f"{workdir} has made {made:,} updates already, and this recipe ends after "
            f"{updates:,}. Give it more {longer} (--set {longer}=N) to go on there; nothing was "
            "changed."
        )
    session = session_facts(
        reproductions.REPOSITORY,
        devices=strategy.num_replicas_in_sync,
        workers=workers.count,
        platform=kind_of_device(strategy),
        jit_compile=training.devices.jit_compile,
        microbatches=training.settings.microbatches,
        keep_best=training.settings.keep_best,
        cores=os.cpu_count(),
        data_dir=str(training.experiment.place().absolute()),
        hardware=hardware.describe(strategy),
    )
    return open_run(workdir, identity, session, renewed=training.settings.renewed)


def go_on(run: Run | Onlooker, loop: Loop) -> list[Override]:
    """As Run.go_on, from where the loop stands.

    Raises:
        RunError: if no update is left to be made with what is another recipe.
    """
    if isinstance(run, Run) and loop.is_over():
        _require_trained(run, loop.state.step)
    return run.go_on(loop.state.epoch, loop.state.step, ended=loop.is_over())


def _require_trained(run: Run, step: int) -> None:
    first = {"step": 0, "recipe": run.record["recipe"]}
    made = [one for one in run.record.get("recipes", [first]) if one["step"] < step]
    odd = differences(made[-1]["recipe"], run.identity["recipe"], "recipe")
    if odd := [line for line in odd if not LENGTH.match(line)]:
        raise RunError(
            f"Nothing is left to train in {run.folder}, so no update would be made with another "
            f"recipe: {odd[0]}. Give it more epochs or updates, too."
        )


def identify(training: Training, source) -> dict:
    """What identifies a run (IDENTITY), and facts recorded beside it."""
    experiment, recipe = training.experiment, training.experiment.recipe
    return {
        "paper": experiment.paper,
        "variant": experiment.variant,
        "recipe": describe_recipe(recipe),
        "deviations": describe(recipe.deviations),
        "overrides": describe(recipe.overrides),
        "seed": training.settings.seed,
        "data": source.fingerprint(),
        "data_title": source.dataset.title,
        "class_names": list(source.class_names()),
        "precision": training.devices.precision,
    }


def kind_of_device(strategy) -> str:
    """The kind that the strategy computes on, "cpu" or "gpu"."""
    return tf.DeviceSpec.from_string(strategy.extended.worker_devices[0]).device_type.lower()


def save_tested(file: pathlib.Path, variant: str, recipe: Recipe, model: keras.Model) -> None:
    """Writes the weights that are tested, without the optimizer's state."""
    optimizer, model.optimizer = model.optimizer, None  # it is as large, and in checkpoints
    try:
        with optimizer.averaged(model.trainable_variables):
            save_weights(model, file, lambda made: write(made, RECIPE, variant, recipe))
    finally:
        model.optimizer = optimizer


class KeepBest(keras.callbacks.Callback):
    """The weights of the best epoch, in BEST, and on record which it is: see `_rank`."""

    def __init__(self, run: Run, recipe: Recipe):
        super().__init__()
        self.run, self.recipe = run, recipe

    def resume(self, state: State) -> None:
        """Makes good what a kill left undone between the last checkpoint and its weights."""
        best, rows = self.run.record.get("best_weights"), state.history
        if best and best["step"] > state.step:  # of a checkpoint that was damaged
            (self.run.folder / BEST).unlink(missing_ok=True)
            self.run.update(best_weights=None)
        if rows and rows[-1]["step"] == state.step:
            self.on_epoch_end(state.epoch - 1, rows[-1])

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes them, if this epoch is the best; its checkpoint is written."""
        best = self.run.record.get("best_weights")
        error, loss = _rank(logs)
        if best and (error, loss) >= (best["top1_error"], best["loss"]):
            return
        save_tested(self.run.folder / BEST, self.run.record["variant"], self.recipe, self.model)
        place = {"epoch": epoch + 1, "step": logs["step"]}
        about = {"file": BEST, "top1_error": error, "loss": loss, "chosen_on": "held-out images"}
        self.run.update(best_weights=place | about)


def _rank(row: dict) -> tuple[float, float]:
    """An epoch's error, then its loss: of few held-out images many errors are equal."""
    return row["val_top1_error"], row["val_loss"]


def finish(record: Run, recipe, loop: Loop, results, strategy, progress: Progress) -> None:
    """Writes the results, and shows them.

    The last epoch is the result. The best one, under the monitor's view, was chosen by the
    images that it is measured on, and says so.
    """
    state = loop.state
    images = state.step * recipe.global_batch_size
    measured = [dataclasses.asdict(result) for result in results]
    last, best = (
        {"epoch": row["epoch"], "top1_error": row["val_top1_error"]}
        for row in (state.history[-1], min(state.history, key=_rank))
    )
    chosen_on = "held-out images" if recipe.held_out else "the test set"
    record.end_session(
        "finished",
        status="finished",
        finished=now(),
        epochs=state.epoch,
        ended_early=loop.ended_early,
        train_seconds=round(state.seconds, 1),
        images_per_second=round(images / state.seconds, 1),
        peak_bytes=hardware.peak_bytes(strategy),
        last_epoch=last,
        best_epoch=best | {"chosen_on": chosen_on},
        results=merged(record.record.get("results", []), measured),
    )
    for line in results_table(record.record, state.history):
        progress.say(line)
