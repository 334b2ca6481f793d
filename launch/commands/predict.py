"""`python -m launch predict NAME IMAGE... --weights F`: what is in a picture.

A photograph goes through the recipe's own test transforms and normalisation.
"""

import os
import pathlib
import sys
from collections.abc import Iterator

import numpy as np

from common.data import catalog, imagenet
from common.data.sources.photographs import SPLIT, Photographs
from common.data.statistics import Statistics, kept, load
from common.data.transforms import active
from common.data.transforms.pixels import SubtractCentreMean, SubtractMeanImage
from common.errors import NotFinite, RunError, UsageError
from common.evaluation.evaluator import score
from common.evaluation.inputs import test_batches
from common.evaluation.metrics import best
from common.evaluation.views import FrameView
from common.recipes.recipe import Recipe
from launch.commands.photograph_words import Asked
from launch.commands.train import build_network, open_data, prepare_tensorflow, training_statistics
from launch.drawing import contact_sheet
from launch.settings.options import Options
from launch.terminal.progress import Progress
from launch.terminal.quiet import quiet
from launch.weights.published import frame_side, published
from launch.weights.run_weights import STATISTICS, Trained, load_weights

SHOWN = 5
IMAGENET = "imagenet2012"
DIGITS = ("mnist", "sample")  # where they are grey


def run(paper: str, variant: str, options: Options, trained: Trained | None, asked: Asked) -> int:
    """Prints the five best classes of each photograph, with probabilities.

    Args:
        trained: The run that the weights are from, if it is known.

    Returns:
        Exit code 0; 1 if a photograph could not be read.
    """
    recipe = options.recipe
    strategy = prepare_tensorflow(options)
    statistics = subtracted(options, trained)
    names = class_names(options, trained)
    model = build_network(paper, variant, recipe, strategy)
    load_weights(model, options.weights, recipe)
    digits = recipe.channels == 1 and recipe.data in DIGITS
    side = stored_side(recipe)
    photographs = Photographs(asked.paths, side=side, digits=digits)
    view = FrameView(name=asked.view or recipe.monitor, size=recipe.image_size)
    entries = []
    for place, probabilities in _probabilities(model, recipe, photographs, statistics, view):
        path, picture = asked.paths[place], photographs.thumbnails.pop(place)
        if not np.isfinite(probabilities).all():
            raise NotFinite(
                f"{path}: the network's scores are not finite. Its weights, "
                "or its arithmetic, are broken."
            )
        [labels] = best(probabilities[None], SHOWN)
        guesses = [(names[k], float(probabilities[k])) for k in labels]
        _print(path, guesses)
        entries.append((path.name, picture, guesses))
    if asked.sheet and entries:
        heading = f"{variant}\n{recipe.data}, {view.name}"
        contact_sheet.write(asked.sheet, heading, entries)
        print(f"{asked.sheet} shows them.")
    if photographs.turned:
        print(
            f"Turned upright, as their EXIF data ask: "
            f"{', '.join(p.name for p in photographs.turned[:SHOWN])}"
            f"{' ...' if len(photographs.turned) > SHOWN else ''}. Training, "
            "evaluate and an exported model take images as they are stored, as "
            "the papers' loaders did.",
            file=sys.stderr,
        )
    return _name_unreadable(photographs)


def _print(path: pathlib.Path, guesses: list[tuple[str, float]]) -> None:
    print(path)
    for name, probability in guesses:
        print(f"  {100 * probability:5.1f} %  {name}", flush=True)


def _name_unreadable(photographs: Photographs) -> int:
    """Says which were left out; exit code."""
    for path, why in photographs.unreadable.items():
        print(f"{path} was left out: {why}.", file=sys.stderr)
    return 1 if photographs.unreadable else 0


def class_names(options: Options, trained: Trained | None) -> tuple[str, ...]:
    """English, in the order of the labels; numbers if they are not known."""
    recipe = options.recipe
    if recipe.data == IMAGENET:
        return imagenet.names()
    names = trained.record.get("class_names") if trained else None
    if names is None:
        try:
            names = open_data(options).class_names()
        except RunError:
            names = [f"class {label}" for label in range(recipe.num_classes)]
            print(
                f"The names of the classes are in {recipe.data}, which is not "
                "here: --data_dir says where it is.",
                file=sys.stderr,
            )
    english = dict(zip(imagenet.WNIDS, imagenet.names(), strict=True))
    return tuple(english.get(name, name) for name in names)


def _probabilities(
    model, recipe: Recipe, photographs: Photographs, statistics: Statistics | None, view: FrameView
) -> Iterator[tuple[int, np.ndarray]]:
    """(place, (classes,) float64) of each photograph that can be read."""
    # One at a time: nobody knows yet how many can be read.
    batches = test_batches(photographs, SPLIT, recipe, statistics, view, batch_size=1)
    with quiet():  # TensorFlow complains of its own from_generator
        batches = iter(batches)
    for inputs, _, _, ids in batches:
        [logits] = score(model, inputs, view).numpy().astype(np.float64)
        with np.errstate(invalid="ignore"):  # the caller refuses NaN
            weights = np.exp(logits - logits.max())
        yield int(ids[0].numpy()), weights / weights.sum()


def subtracted(options: Options, trained: Trained | None) -> Statistics | None:
    """What the recipe subtracts: from the run, from the data, or published."""
    recipe = options.recipe
    [(_, normalize)] = active((recipe.normalize,), epoch=-1)
    if not normalize.needs_statistics:
        return None
    found = trained and load(trained.folder / STATISTICS)
    if found:
        return fitting(found, recipe)
    try:
        source = open_data(options)
    except RunError as error:
        if recipe.data == IMAGENET:
            return published(recipe)
        raise RunError(
            f"{type(normalize).__name__} needs the mean of the training set, "
            f"{recipe.data}, which is not here. Give --weights the folder of "
            "the run that trained them, which has it, or --data_dir. "
            f"({error})"
        ) from error
    if recipe.data == IMAGENET:  # a pass over it takes an hour or more
        cache_dir = catalog.default_cache_dir()
        return kept(source, recipe, cache_dir) or published(recipe)
    with open(os.devnull, "w") as log:
        progress = Progress(log, images_per_step=0)
        computed = training_statistics(source, recipe, progress.scanning)
        progress.clear()
    return computed


def fitting(statistics: Statistics, recipe: Recipe) -> Statistics:
    """The statistics, if their mean image is of the recipe's frames.

    Raises:
        UsageError: if the network would be shown images of another size.
    """
    side = frame_side(recipe, stored_side(recipe) or 4 * recipe.image_size)
    kept = statistics.mean_image.shape[0]
    if kept != side and isinstance(recipe.normalize, SubtractMeanImage | SubtractCentreMean):
        raise UsageError(
            f"The mean image that was kept with the weights is of {kept} x "
            f"{kept} pixels; an image_size of {recipe.image_size} and its "
            f"test_transforms want one of {side} x {side}. Leave out --set: "
            "the network was trained with that mean."
        )
    return statistics


def stored_side(recipe: Recipe) -> int | None:
    """Of the training images, where the recipe leaves them as they are.

    The frame is then as large as the network's input (MNIST, CIFAR-10).
    """
    large = 4 * recipe.image_size
    frame = frame_side(recipe, large)
    resized = frame == frame_side(recipe, 2 * large)
    return None if resized else recipe.image_size - (frame - large)
