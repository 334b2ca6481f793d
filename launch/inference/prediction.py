"""What is in a photograph: through the recipe's own test transforms and normalisation."""

import os
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from common.data.pipeline import stored_side
from common.data.sources.photographs import SPLIT, Photographs
from common.errors import NotFinite
from common.evaluation.evaluator import score
from common.evaluation.inputs import test_batches
from common.evaluation.metrics import best
from common.evaluation.views import FrameView
from common.files import csv_text, write_json, write_text
from common.recipes.recipe import Recipe
from launch.drawing import contact_sheet
from launch.inference.network_inputs import find_statistics, read_class_names
from launch.session.setup import build_network, prepare_tensorflow
from launch.settings.options import Devices
from launch.terminal.quiet import quiet
from launch.weights.bundled_weights import Network
from launch.weights.run_weights import load_weights

SHOWN = 5
DIGITS = ("mnist", "sample")  # where they are grey
DIGIT_SIDE = 28  # pixels, as they are stored


def run(
    network: Network,
    platform: str,
    paths: tuple[pathlib.Path, ...],
    view: str | None,
    outs: dict[str, pathlib.Path],
) -> int:
    """Prints the five best classes of each photograph, with probabilities.

    Args:
        view: None means the one that the recipe is monitored with.
        outs: Files to be made: ".png", a contact sheet; ".csv" and ".json", the guesses.

    Returns:
        Exit code 0; 1 if a photograph could not be read.
    """
    experiment, recipe = network.experiment, network.experiment.recipe
    strategy = prepare_tensorflow(Devices(platform=platform), recipe)
    statistics, names = find_statistics(network), read_class_names(network)
    model = build_network(experiment, strategy)
    load_weights(model, network.file, recipe)
    photographs = open_photographs(recipe, paths)
    seen = FrameView(name=view or recipe.monitor, size=recipe.image_size)
    # One at a time: nobody knows yet how many can be read.
    batches = test_batches(photographs, SPLIT, recipe, statistics, seen, batch_size=1)
    with quiet():  # TensorFlow complains of its own from_generator
        batches = iter(batches)
    entries = []
    for inputs, _, _, ids in batches:
        place = int(ids[0].numpy())
        path, picture = paths[place], photographs.thumbnails.pop(place)
        [logits] = score(model, inputs, seen).numpy().astype(np.float64)
        with np.errstate(invalid="ignore"):  # NaN is refused below
            powers = np.exp(logits - logits.max())
        probabilities = powers / powers.sum()
        if not np.isfinite(probabilities).all():
            raise NotFinite(
                f"{path}: the network's scores are not finite. Its weights, or its arithmetic, "
                "are broken."
            )
        [labels] = best(probabilities[None], SHOWN)
        guesses = [(names[k], float(probabilities[k])) for k in labels]
        show_guesses(path, guesses)
        entries.append((path, picture, guesses))
    if entries:
        _write(outs, f"{experiment.variant}\n{recipe.data}, {seen.name}", entries)
    if photographs.turned:
        print(
            "Turned upright, as their EXIF data ask: "
            f"{', '.join(p.name for p in photographs.turned[:SHOWN])}"
            f"{' ...' if len(photographs.turned) > SHOWN else ''}. Training, evaluate and an "
            "exported model take images as they are stored, as the papers' loaders did.",
            file=sys.stderr,
        )
    for path, why in photographs.unreadable.items():
        print(f"{path} was left out: {why}.", file=sys.stderr)
    return 1 if photographs.unreadable else 0


def open_photographs(recipe: Recipe, paths: Sequence[pathlib.Path]) -> Photographs:
    """Photographs as the training images were stored; digits also where the recipe resizes them."""
    digits = recipe.channels == 1 and recipe.data in DIGITS
    return Photographs(paths, side=DIGIT_SIDE if digits else stored_side(recipe), digits=digits)


def _write(outs: dict[str, pathlib.Path], heading: str, entries: list[tuple]) -> None:
    """The files that were asked for; entries: (path, picture, guesses)."""
    columns = ("file", "rank", "class", "score")
    rows = [
        (os.fsencode(path).decode(errors="backslashreplace"), rank, *guess)
        for path, _, guesses in entries
        for rank, guess in enumerate(guesses, 1)
    ]
    several = len({path.parent for path, *_ in entries}) > 1  # folders, such as classes
    for suffix, file in outs.items():
        shown = f"{len(entries):,} photographs"
        if suffix == ".png":
            titled = [("/".join(path.parts[-1 - several :]), *rest) for path, *rest in entries]
            contact_sheet.write(file, heading, titled)
            if len(entries) > contact_sheet.MOST:
                shown = f"the first {contact_sheet.MOST} of {shown}; a .csv or .json has all"
        elif suffix == ".csv":
            write_text(file, csv_text([columns, *rows]))
        else:
            write_json(file, [dict(zip(columns, row, strict=True)) for row in rows])
        print(f"{file} {'shows' if suffix == '.png' else 'lists'} {shown}.")


def show_guesses(path: pathlib.Path, guesses: list[tuple[str, float]]) -> None:
    """Prints a photograph's classes and their probabilities."""
    print(path)
    for name, probability in guesses:
        print(f"  {100 * probability:5.1f} %  {name}", flush=True)
