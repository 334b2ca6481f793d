"""`python -m launch evaluate NAME --weights FILE`: error rates, no training."""

import dataclasses
import hashlib
import os
import sys
from typing import Any

import numpy as np

import reproductions
from common.data import catalog, imagenet
from common.data.dataset import DataSet
from common.data.sources.subset import measure_on, plan_subset
from common.data.statistics import load
from common.data.transforms import active
from common.errors import RunError
from common.evaluation.evaluator import Evaluator, Result
from common.evaluation.predictions import PredictionWriter
from common.evaluation.views import NAMES, FrameView, rescale
from common.recipes.recipe import Recipe
from common.recipes.serialization import recipe_hash
from common.training.run_record import add_result, command, commit_of, now, versions
from launch.commands.evaluate_plan import print_plan
from launch.commands.predict import IMAGENET, fitting
from launch.commands.train import (
    build_network,
    open_data,
    prepare_tensorflow,
    tell_of,
    training_statistics,
)
from launch.names import recipe_named
from launch.report.results_table import interval, percent
from launch.settings.options import Options
from launch.terminal.progress import Progress
from launch.weights.bundled_weights import comes_with_the_code
from launch.weights.published import published
from launch.weights.run_weights import (
    STATISTICS,
    Trained,
    load_weights,
    recipe_of,
    same_data,
    with_labels_of,
)


def run(paper: str, variant: str, options: Options, trained: Trained | None) -> int:
    """Prints a line for each view; exit code 0.

    Args:
        trained: The run that the weights are from, if it is known. Results of
            its own recipe on its own data are written into it, for `report`.

    Raises:
        UsageError: if the data have other classes than the network.
        RunError: if the weights are another network's, or a score is no
            number.
    """
    recipe = options.recipe
    known = views_of(paper, variant, recipe)
    strategy = prepare_tensorflow(options)
    if options.dry_run:
        model = build_network(paper, variant, recipe, strategy)
        return print_plan(model, options, known, _images(options), strategy)
    source = open_data(options)
    tell_of(source.dataset)
    source = _labelled(options, source, trained)
    source.dataset = measure_on(source.dataset, options.split)
    model = build_network(paper, variant, recipe, strategy)
    load_weights(model, options.weights, recipe)
    with open(os.devnull, "w") as log:
        progress = Progress(log, images_per_step=0)
        evaluator = Evaluator(
            model=model,
            strategy=strategy,
            source=source,
            recipe=recipe,
            statistics=_statistics(options, source, trained, progress),
        )
        for name in options.views or recipe.views:
            writer = None
            if options.predictions:
                writer = _open_writer(paper, variant, name, options, source)
            result = evaluator.measure(name, known[name], progress.testing, writer)
            progress.clear()
            print(_line(result, source.dataset.title))
            if trained and not comes_with_the_code(trained, paper, variant):
                trained_as = recipe_of(trained, variant, recipe_named(paper, variant))
                _record(trained, trained_as, options, source, result)
    return 0


def _labelled(options: Options, source: Any, trained: Trained | None) -> Any:
    """The source with the network's labels, as far as those are known."""
    if trained:
        return with_labels_of(trained, source)
    other = any(d.reason == "--data" for d in options.recipe.deviations)
    if other and source.class_names() != imagenet.WNIDS:
        print(
            f"The labels are those of {source.dataset.name}, in its order: a "
            "file of weights does not know its classes, the run's folder does.",
            file=sys.stderr,
        )
    return source


def _images(options: Options) -> DataSet:
    """What is measured, of a data set that may not be at hand."""
    name, channels = options.recipe.data, options.recipe.channels
    dataset = catalog.find(name, channels, options.data_dir)
    return measure_on(plan_subset(dataset, options.recipe), options.split)


def _record(
    trained: Trained, trained_as: Recipe, options: Options, source: Any, result: Result
) -> None:
    """Into run.json, if it is a result of that run's recipe and data."""
    same = {"data": trained_as.data, "deviations": trained_as.deviations}
    precision = trained.record["precision"]
    if dataclasses.replace(options.recipe, **same) != trained_as:
        print("Not written into the run: its recipe was another one.")
    elif not same_data(trained, source):
        print("Not written into the run: its data set was another one.")
    elif options.precision != precision:
        print(f"Not written into the run: its arithmetic was {precision}.")
    elif trained.record["status"] != "finished":
        print("Not written into the run: it is not finished.")
    else:
        how = {"command": command(), "commit": commit_of(reproductions.REPOSITORY)}
        facts = dataclasses.asdict(result) | how | {"finished": now()}
        add_result(trained.folder, facts)
        print(f"Written into {trained.folder}, for `report`.")


def _statistics(options: Options, source: Any, trained: Trained | None, progress: Progress):
    """What the network was trained with; of other weights, of their data."""
    recipe = options.recipe
    [(_, normalize)] = active((recipe.normalize,), epoch=-1)
    if not normalize.needs_statistics:  # those of the training do not count
        return None
    if found := load(options.weights.parent / STATISTICS):
        return fitting(found, recipe)
    if trained and not same_data(trained, source):
        if recipe.data == IMAGENET:
            return published(recipe)
        raise RunError(
            f"{trained.folder} did not keep the mean of its training set "
            f"({STATISTICS}), and {source.dataset.name} is not the data that "
            "it was trained on. Give --data_dir theirs."
        )
    if "train" in source.dataset.splits:
        return training_statistics(source, recipe, progress.scanning)
    return published(recipe)


def views_of(paper: str, variant: str, recipe: Recipe) -> dict:
    """A variant's views by name, with the paper's own, for the recipe's image size."""
    size = recipe.image_size
    factor = size / reproductions.load(paper).RECIPES[variant].image_size
    own = reproductions.views(paper, variant).items()
    return {name: FrameView(name=name, size=size) for name in NAMES} | {
        name: rescale(view, factor) for name, view in own
    }


def _line(result: Result, title: str) -> str:
    return (
        f"{result.view}: top-1 error "
        f"{interval(result.top1_error, result.num_images)}, top-5 "
        f"error {percent(result.top5_error)}, loss {result.loss:.4f}, "
        f"{result.num_images:,} images of {title}, {result.split}"
    )


def _open_writer(
    paper: str, variant: str, view: str, options: Options, source: Any
) -> PredictionWriter:
    """Of the prediction file, with what it says of itself."""
    dataset = source.dataset
    with open(options.weights, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    record = {
        "paper": paper,
        "variant": variant,
        "view": view,
        "data": options.recipe.data,
        "data_sha256": source.fingerprint()["sha256"],
        "split": dataset.test_split,
        "image_size": options.recipe.image_size,
        "recipe": recipe_hash(options.recipe),
        "weights": digest,
        "precision": options.precision,
        "command": command(),
        "versions": versions(),
    }
    images = dataset.splits[dataset.test_split]
    classes = np.array(source.class_names())
    return PredictionWriter(options.predictions, record, images, classes)
