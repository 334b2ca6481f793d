"""What goes into a trained network, and the names of what comes out of it.

The statistics that its recipe subtracts are those of its training: its run has them, its
data give them, or for ImageNet they were published.
"""

import os
import sys
from collections.abc import Iterable

from common.data import catalog, imagenet
from common.data.statistics import Statistics, kept, load, published, require_size
from common.data.transforms import active
from common.errors import RunError
from common.recipes.recipe import Recipe
from launch.session.setup import open_data, training_statistics
from launch.settings.options import Experiment
from launch.terminal.progress import Progress
from launch.weights.run_weights import STATISTICS, Trained

IMAGENET = "imagenet2012"


def read_class_names(experiment: Experiment, trained: Trained | None) -> tuple[str, ...]:
    """English, in the order of the labels; numbers if they are not known."""
    recipe = experiment.recipe
    if recipe.data == IMAGENET:
        return imagenet.names()
    names = trained.record.get("class_names") if trained else None
    if names is None:
        try:
            names = open_data(experiment).class_names()
        except RunError:
            names = [f"class {label}" for label in range(recipe.num_classes)]
            print(
                f"The names of the classes are in {recipe.data}, which is not "
                "here: --data_dir says where it is.",
                file=sys.stderr,
            )
    return in_english(names)


def in_english(names: Iterable[str]) -> tuple[str, ...]:
    """The names of classes; of ImageNet's WNIDs what they mean."""
    english = dict(zip(imagenet.WNIDS, imagenet.names(), strict=True))
    return tuple(english.get(name, name) for name in names)


def find_statistics(experiment: Experiment, trained: Trained | None) -> Statistics | None:
    """What the recipe subtracts: from the run, from the data, or published."""
    recipe = experiment.recipe
    [(_, normalize)] = active((recipe.normalize,), epoch=-1)
    if not normalize.needs_statistics:  # those of the training do not count
        return None
    found = trained and load(trained.folder / STATISTICS)
    if found:
        return require_size(found, recipe)
    try:
        source = open_data(experiment)
    except RunError as error:
        if recipe.data == IMAGENET:
            return published_statistics(recipe)
        raise RunError(
            f"{type(normalize).__name__} needs the mean of the training set, "
            f"{recipe.data}, which is not here. Give --weights the folder of "
            "the run that trained them, which has it, or --data_dir. "
            f"({error})"
        ) from error
    if recipe.data == IMAGENET:  # a pass over it takes an hour or more
        cache_dir = catalog.default_cache_dir()
        return kept(source, recipe, cache_dir) or published_statistics(recipe)
    with open(os.devnull, "w") as log:
        progress = Progress(log, images_per_step=0)
        computed = training_statistics(source, recipe, progress.scanning)
        progress.clear()
    return computed


def published_statistics(recipe: Recipe) -> Statistics:
    """Every pixel of the mean image is the channel's mean; says so."""
    print(
        "ImageNet's mean image is not at hand: the published mean of each "
        f"channel, {', '.join(map(str, imagenet.CHANNEL_MEAN))}, is subtracted.",
        file=sys.stderr,
    )
    return published(recipe)
