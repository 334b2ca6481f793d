"""What a trained network is fed, the names of what it gives, and where it is from.

The statistics that its recipe subtracts are those of its training: they lie beside its weights,
its data give them, or for ImageNet they were published.
"""

import hashlib
import sys
from collections.abc import Iterable
from typing import Any

from common.data import imagenet
from common.data.statistics import Statistics, kept, load, published, require_size
from common.data.transforms import active
from common.errors import RunError
from common.models import preprocessing
from common.recipes.recipe import Recipe
from common.recipes.serialization import recipe_hash
from common.training.run_record import command, versions
from launch.session.setup import open_data, training_statistics
from launch.terminal.display import Counting
from launch.weights.bundled_weights import Network
from launch.weights.run_weights import STATISTICS, has_same_data
from launch.weights.shipped import shipped_class_names

IMAGENET = "imagenet2012"


def read_class_names(network: Network) -> tuple[str, ...]:
    """English, in the order of the labels; numbers if they are not known."""
    recipe = network.experiment.recipe
    if recipe.data == IMAGENET:
        return imagenet.names()
    if network.run:
        return in_english(network.run.record["class_names"])
    try:
        names = open_data(network.experiment).class_names()
    except RunError:
        names = shipped_class_names(recipe.data)
    if names is None or len(names) != recipe.num_classes:
        names = [f"class {label}" for label in range(recipe.num_classes)]
        print(
            f"The names of the classes are in {recipe.data}, which is not here: --data_dir "
            "says where it is.",
            file=sys.stderr,
        )
    return in_english(names)


def in_english(names: Iterable[str]) -> tuple[str, ...]:
    """The names of classes; of ImageNet's WNIDs what they mean."""
    english = dict(zip(imagenet.WNIDS, imagenet.names(), strict=True))
    return tuple(english.get(name, name) for name in names)


def find_statistics(network: Network, source: Any = None) -> Statistics | None:
    """What the recipe subtracts; None if nothing of its training set.

    Args:
        source: The images that are measured; None opens the recipe's if they are needed.

    Raises:
        RunError: if they lie nowhere, and the training set is not here.
    """
    recipe, run = network.experiment.recipe, network.run
    [(_, normalize)] = active((recipe.normalize,), epoch=-1)
    if not normalize.needs_statistics:  # those of the training do not count
        return None
    if found := load(network.file.parent / STATISTICS):
        return require_size(found, recipe)
    if source is None:
        try:
            source = open_data(network.experiment)
        except RunError as error:
            if recipe.data == IMAGENET:
                return _published(recipe)
            raise RunError(
                f"{type(normalize).__name__} needs the mean of the training set, {recipe.data}, "
                "which is not here. Give --weights the folder of the run that trained them, "
                f"which has it, or --data_dir. ({error})"
            ) from error
        if recipe.data == IMAGENET:  # a pass over it takes an hour or more
            return kept(source, recipe) or _published(recipe)
    elif run and not has_same_data(run, source):
        if recipe.data == IMAGENET:
            return _published(recipe)
        raise RunError(
            f"{run.folder} did not keep the mean of its training set ({STATISTICS}), and "
            f"{source.dataset.name} is not the data that it was trained on. Give --data_dir theirs."
        )
    elif "train" not in source.dataset.splits:
        return _published(recipe)
    counting = Counting()
    computed = training_statistics(source, recipe, counting.scanning)
    counting.clear()
    return computed


def _published(recipe: Recipe) -> Statistics:
    """Every pixel of the mean image is the channel's mean; says so."""
    print(
        "ImageNet's mean image is not at hand: the published mean of each channel, "
        f"{', '.join(map(str, imagenet.CHANNEL_MEAN))}, is subtracted.",
        file=sys.stderr,
    )
    return published(recipe)


def describe_network(network: Network, view: str, precision: str) -> dict[str, Any]:
    """What a file that a network made says of it."""
    experiment = network.experiment
    stated = preprocessing.read(network.file)
    with open(network.file, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "paper": experiment.paper,
        "variant": experiment.variant,
        "view": view,
        "data": experiment.recipe.data,
        "recipe": recipe_hash(experiment.recipe),
        "weights": digest,
        "layout": stated.layout
        if stated
        else preprocessing.RECIPE
        if network.run
        else preprocessing.NOT_SAID,
        "precision": precision,
        "command": command(),
        "versions": versions(),
    }
