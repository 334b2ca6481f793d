"""Error rates of trained weights, view by view, or what each view costs."""

import collections
import dataclasses
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import reproductions
from common.data import imagenet
from common.data.dataset import DataSet
from common.data.sources.subset import HELD_OUT, measure_on, own_name, plan_subset
from common.errors import RunError
from common.evaluation.evaluator import Evaluator, Result
from common.evaluation.outcomes import Outcomes, confusion
from common.evaluation.predictions import PredictionWriter
from common.evaluation.views import NAMES, FrameView, rescale
from common.models.fully_convolutional import fully_convolutional
from common.models.layer_table import layer_table, totals
from common.recipes.recipe import Recipe
from common.recipes.serialization import describe, describe_recipe
from common.training.run_record import add_result, command, commit_of, list_changes, now
from launch.inference import mistakes
from launch.inference.network_inputs import describe_network, find_statistics, in_english
from launch.session.plan import count_parameters
from launch.session.results_table import interval, percent
from launch.session.setup import build_network, open_data, prepare_tensorflow, show_notes
from launch.settings.options import Devices, Experiment, short_name
from launch.terminal import tables
from launch.terminal.display import Counting, duration
from launch.weights.bundled_weights import Network, comes_with_the_code
from launch.weights.run_weights import (
    WEIGHTS,
    Trained,
    has_same_data,
    load_weights,
    read_recipe,
    use_labels_of,
)

IMAGE = (375, 500)  # height, width; ImageNet's commonest
TIMED_SECONDS = 3
TIMED_MACS = 20e9  # in a batch that the speed is measured with, about
MOST_TIMED = 8  # inputs in it
_OTHER_DATA = "its data set was another one"
_OTHER_SPLIT = "its results are those of the images that it held out"


def plan(
    experiment: Experiment,
    run: Trained | None,
    devices: Devices,
    names: Sequence[str],
    split: str | None,
) -> int:
    """Prints what each view costs; exit code 0. Needs no weights and no data."""
    strategy = prepare_tensorflow(devices, experiment.recipe)
    model = build_network(experiment, strategy)
    split = own_name(experiment.dataset, split)
    cut = _restore_split(experiment, run, split)
    dataset = measure_on(plan_subset(cut.dataset, cut.recipe), split)
    known = views_of(experiment)
    own = [name for name, view in known.items() if not isinstance(view, FrameView)]
    asked = names or dict.fromkeys((*experiment.recipe.views, *own))
    shown = {name: known[name] for name in asked}
    return print_plan(model, shown, dataset, strategy)


def print_plan(model: keras.Model, shown: dict[str, Any], dataset: DataSet, strategy) -> int:
    """Prints a row for each view; exit code 0. Needs no weights and no data.

    Args:
        shown: The views, by name.
        dataset: Its test split is what the time is for.
    """
    size = tuple(model.input_shape[1:3])
    macs = {size: totals(layer_table(model)).macs}  # of one input of the main path, by its size
    print(f"timing {model.name}, seconds, or half a minute for the deepest ...", file=sys.stderr)
    speed = inputs_per_second(model, macs[size], strategy)
    images, rows = dataset.splits[dataset.test_split], []
    for name, view in shown.items():
        counts = input_sizes(view, size)
        for each in counts.keys() - macs:
            macs[each] = totals(layer_table(fully_convolutional(model, each))).macs
        cost = sum(count * macs[each] for each, count in counts.items())
        sizes = ", ".join(f"{count} of {_spell(each)}" for each, count in counts.items())
        seconds = images * cost / macs[size] / speed
        rows.append([name, f"{sum(counts.values()):,}", sizes, f"{cost:,}", duration(seconds)])
    print(
        f"{model.name}, {count_parameters(model)}\n"
        f"{dataset.title}, {images:,} images of the split {dataset.test_split!r}\n"
        f"{speed:,.1f} inputs of {_spell(size)} a second, timed just now; times are for as many "
        "multiply-accumulates a second; reading the images comes on top"
    )
    if not all(isinstance(view, FrameView) for view in shown.values()):
        print(f"sizes are those of an image of {_spell(IMAGE)} (height x width)")
    print()
    tables.show("", ["view", ">inputs", "sizes", ">MACs per image", ">time"], rows)
    return 0


def input_sizes(view: Any, size: tuple[int, int]) -> dict[tuple, int]:
    """How many inputs of each (height, width) an image of IMAGE's size gives.

    Args:
        view: One of common.evaluation.views.
        size: Of the network's own input.
    """
    counts = collections.Counter()
    for scaled in view.scaled_images(*(size if isinstance(view, FrameView) else IMAGE)):
        seen = (scaled.size, scaled.size) if scaled.size else scaled.canvas
        counts[seen] += len(scaled.crops)
    return dict(counts)


def inputs_per_second(model: keras.Model, macs: int, strategy) -> float:
    """Of all devices together, running the network forward on noise."""
    batch = int(min(MOST_TIMED, max(1, TIMED_MACS // macs)))
    shape = (batch, *model.input_shape[1:])
    noise = np.random.default_rng(0).normal(size=shape).astype("float32")
    main = keras.Model(model.inputs, model.outputs[0])

    @tf.function
    def forward(images):
        outputs = strategy.run(lambda x: main(x, training=False), (images,))
        return strategy.experimental_local_results(outputs)

    forward(tf.constant(noise))  # its time is the compiler's
    began, batches = time.perf_counter(), 0
    while time.perf_counter() - began < TIMED_SECONDS:
        for output in forward(tf.constant(noise)):
            output.numpy()  # waits for it
        batches += 1
    inputs = batch * batches * strategy.num_replicas_in_sync
    return inputs / (time.perf_counter() - began)


def _spell(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))


def run(
    network: Network,
    devices: Devices,
    names: Sequence[str],
    split: str | None,
    predictions: pathlib.Path | None,
    out: pathlib.Path | None,
) -> int:
    """Prints the error of each view, and of each class; exit code 0.

    Results of a run's own recipe on its own data are written into it, for `report`.

    Args:
        names: Of the views; empty means the recipe's.
        split: To measure on; None means the data set's own for tests, or the images held out.
        predictions: The file to write the scores to; or None.
        out: The folder for what is wrong where; None means the run's, if there is one.

    Raises:
        UsageError: if the data have other classes than the network.
        RunError: if the weights are another network's, or a score is no number.
    """
    experiment, recipe = network.experiment, network.experiment.recipe
    known = views_of(experiment)
    strategy = prepare_tensorflow(devices, recipe)
    split = own_name(experiment.dataset, split)
    source = open_data(_restore_split(experiment, network.run, split))
    show_notes(source.dataset)
    other_data = any(one.field == "data" for one in recipe.overrides)
    if network.run:
        source = use_labels_of(network.run, source)
    elif other_data and source.class_names() != imagenet.WNIDS:
        print(
            f"The labels are those of {source.dataset.name}, in its order: a file of weights does "
            "not know its classes, the run's folder does.",
            file=sys.stderr,
        )
    source.dataset = measure_on(source.dataset, split)
    if network.run:
        _require_held_out(network.run, recipe, source)
    model = build_network(experiment, strategy)
    load_weights(model, network.file, recipe)
    statistics = find_statistics(network, source)
    evaluator = Evaluator(
        model=model,
        strategy=strategy,
        source=source,
        recipe=recipe,
        statistics=statistics,
        # Only if asked for: dense views would be compiled for each size of an image.
        jit_compile=bool(devices.jit_compile),
    )
    counting = Counting()
    for name in names or recipe.views:
        about = describe_network(network, name, devices.precision)
        writer = _open_writer(predictions, about, evaluator) if predictions else None
        result, outcomes = evaluator.measure_each(name, known[name], counting.testing, writer)
        counting.clear()
        _show(network, devices.precision, source, result, outcomes, out)
    return 0


def _open_writer(
    file: pathlib.Path, about: dict[str, Any], evaluator: Evaluator
) -> PredictionWriter:
    """Of the scores of each image; `about` is the network."""
    source, recipe = evaluator.source, evaluator.recipe
    measured = source.fingerprint() | {"splits": {evaluator.split: evaluator.num_images}}
    changed = {"overrides": describe(recipe.overrides), "data": measured}
    changed |= {"recipe": describe_recipe(recipe)}
    record = about | {
        "changes": "; ".join(list_changes(changed)),
        "data_sha256": measured["sha256"],
        "split": evaluator.split,
        "image_size": recipe.image_size,
    }
    return PredictionWriter(file, record, evaluator.num_images, np.array(source.class_names()))


def _show(
    network: Network,
    precision: str,
    source: Any,
    result: Result,
    outcomes: Outcomes,
    out: pathlib.Path | None,
) -> None:
    """Prints a result and what is wrong where, and keeps both where they belong."""
    data, variant = source.dataset, network.experiment.variant
    print(
        f"{result.view}: top-1 error {interval(result.top1_error, result.num_images)}, top-5 "
        f"error {percent(result.top5_error)}, loss {result.loss:.4f}, "
        f"{result.num_images:,} images of {data.title}, {result.split}"
    )
    recipe = network.experiment.recipe
    if _stands_for_held_out(recipe, data):
        print(f"The network was trained without {recipe.held_out:,} images, held out to choose by.")
    run = None if comes_with_the_code(network) else network.run
    if run:
        why_not = _find_difference(network, precision, source)
        if why_not:
            print(f"Not written into the run: {why_not}.")
        else:
            how = {"command": command(), "commit": commit_of(reproductions.REPOSITORY)}
            add_result(run.folder, dataclasses.asdict(result) | how | {"finished": now()})
            print(f"Written into {run.folder}.")
        if why_not in (None, _OTHER_DATA, _OTHER_SPLIT):
            out = out or run.folder / "evaluated" / f"{short_name(data.name)}_{result.split}"
    names = in_english(source.class_names())
    mistakes.show_classes(names, confusion(outcomes, len(names)))
    if out:
        title = f"{variant}, {result.view} of {data.title}, {result.split}"
        mistakes.write(out, result.view, title, names, source, outcomes)
    else:
        print("--out FOLDER keeps the confusion matrix and the worst images.")


def _restore_split(experiment: Experiment, run: Trained | None, split: str | None) -> Experiment:
    """The experiment with the test split that held-out images stand in the place of, if asked.

    Only of images that the training held out: what --set holds out now, it was trained on.
    """
    recipe = experiment.recipe
    if not recipe.held_out or split == "train" or split not in experiment.dataset.splits:
        return experiment
    own = reproductions.load(experiment.paper).RECIPES[experiment.variant]
    if recipe.held_out != (run.record["recipe"].get("held_out", 0) if run else own.held_out):
        return experiment
    return dataclasses.replace(experiment, recipe=dataclasses.replace(recipe, held_out=0))


def _require_held_out(run: Trained, recipe: Recipe, source: Any) -> None:
    """Refuses images that stand where those stood that a training held out.

    Raises:
        RunError: if its folder has other images by now: their order is another one.
    """
    there = run.record["data"].get("sha256")
    same_place = recipe.data == run.record["recipe"]["data"] and source.dataset.folders
    if HELD_OUT in source.dataset.splits and same_place and there != source.fingerprint()["sha256"]:
        raise RunError(
            f"{source.where} has other images than when {run.folder} was trained on it: which of "
            "them were held out is not known any more, and most would be images that the network "
            "learned from. Give it the images of then; or measure the test images, --split test."
        )


def _stands_for_held_out(recipe: Recipe, dataset: DataSet) -> bool:
    """Whether a split is measured in the place of the recipe's held-out images."""
    return bool(recipe.held_out) and HELD_OUT not in dataset.splits


def _find_difference(network: Network, precision: str, source: Any) -> str | None:
    """Why a result is none of that run's recipe and data; None if it is."""
    run, experiment = network.run, network.experiment
    own = reproductions.load(experiment.paper).RECIPES[experiment.variant]
    trained_as = read_recipe(run, experiment.variant, own)
    of_images = ("data", "also_on", "held_out", "train_images")
    same = {name: getattr(trained_as, name) for name in ("deviations", "overrides", *of_images)}
    if dataclasses.replace(experiment.recipe, **same) != trained_as:
        return "its recipe was another one"
    if experiment.recipe.network != trained_as.network:  # which recipes are not compared by
        return "its network was another one"
    if precision != run.record["precision"]:
        return f"its arithmetic was {run.record['precision']}"
    if network.file.name != WEIGHTS:
        return f"its result is that of {WEIGHTS}"
    same_files = source.fingerprint()["sha256"] == run.record["data"].get("sha256")  # or moved
    of_its_data = same_files or experiment.recipe.data == trained_as.data
    if of_its_data and _stands_for_held_out(trained_as, source.dataset):
        return _OTHER_SPLIT
    if not has_same_data(run, source):
        return _OTHER_DATA
    return None if run.record["status"] == "finished" else "it is not finished"


def views_of(experiment: Experiment) -> dict[str, Any]:
    """The views by name, with the paper's own, for the recipe's image size."""
    paper, variant, size = experiment.paper, experiment.variant, experiment.recipe.image_size
    factor = size / reproductions.load(paper).RECIPES[variant].image_size
    known = {name: FrameView(name=name, size=size) for name in NAMES}
    own = reproductions.views(paper, variant)
    return known | {name: rescale(view, factor) for name, view in own.items()}
