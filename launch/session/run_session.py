"""What a training writes of itself into its run's record."""

import dataclasses
import os

import tensorflow as tf

import reproductions
from common.distribution import hardware
from common.distribution.collectives import Workers
from common.recipes.recipe import Recipe
from common.recipes.serialization import describe, describe_recipe, recipe_hash
from common.training.run_record import Onlooker, Run, merged, now, open_run, session_facts
from launch.session.results_table import results_table
from launch.settings.options import Training
from launch.terminal.progress import Progress


def open_record(workers: Workers, training: Training, identity: dict, strategy) -> Run | Onlooker:
    """The run's folder, which only the chief opens."""
    workdir = training.settings.workdir
    if not workers.chief:
        return Onlooker(workdir)
    session = session_facts(
        reproductions.REPOSITORY,
        devices=strategy.num_replicas_in_sync,
        workers=workers.count,
        platform=kind_of_device(strategy),
        jit_compile=training.devices.jit_compile,
        microbatches=training.settings.microbatches,
        cores=os.cpu_count(),
        data_dir=str(training.experiment.place().absolute()),
        hardware=hardware.describe(strategy),
    )
    return open_run(workdir, identity, session)


def identify(training: Training, source) -> dict:
    """What must not change between the sessions of one run, and more."""
    experiment, recipe = training.experiment, training.experiment.recipe
    return {
        "paper": experiment.paper,
        "variant": experiment.variant,
        "recipe": describe_recipe(recipe),
        "recipe_hash": recipe_hash(recipe),
        "deviations": describe(recipe.deviations),
        "overrides": describe(recipe.overrides),
        "seed": training.settings.seed,
        "data": source.fingerprint(),
        "data_title": source.dataset.title,
        "class_names": list(source.class_names()),
        "precision": training.devices.precision,
    }


def kind_of_device(strategy) -> str:
    """Of the strategy: "cpu" or "gpu"."""
    device = strategy.extended.worker_devices[0]
    return tf.DeviceSpec.from_string(device).device_type.lower()


def best_and_last(history: list[dict], recipe: Recipe) -> dict:
    """The epochs with the lowest and the final error, under the monitor's view.

    The last one is the result. The best one was chosen by the images that it
    is measured on, and says so.
    """
    best = min(history, key=lambda row: row["val_top1_error"])
    measured = "held-out images" if recipe.held_out else "the test set"
    epochs = {
        name: {"epoch": row["epoch"], "top1_error": row["val_top1_error"]}
        for name, row in (("last_epoch", history[-1]), ("best_epoch", best))
    }
    epochs["best_epoch"]["chosen_on"] = measured
    return epochs


def finish(record: Run, recipe, state, results, strategy, progress: Progress) -> None:
    """Writes the results, and shows them."""
    images = state.step * recipe.global_batch_size
    measured = [dataclasses.asdict(result) for result in results]
    record.end_session(
        "finished",
        status="finished",
        finished=now(),
        epochs=state.epoch,
        train_seconds=round(state.seconds, 1),
        images_per_second=round(images / state.seconds, 1),
        peak_bytes=hardware.peak_bytes(strategy),
        **best_and_last(state.history, recipe),
        results=merged(record.record.get("results", []), measured),
    )
    for line in results_table(record.record, state.history):
        progress.say(line)
