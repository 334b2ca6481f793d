"""Weights that come with the code, and which weights a command means.

A shipped run is what is left of a run's folder, reproductions/PAPER/trained/
VARIANT: its weights, its run.json, and the statistics that its recipe
subtracts. `python -m launch ship RUN` makes it.
"""

import pathlib
import sys

import reproductions
from common.data import catalog
from common.errors import UsageError
from common.recipes.recipe import Recipe
from launch.names import recipe_named
from launch.settings.options import Options, from_flags
from launch.settings.overrides import combined
from launch.weights import run_weights
from launch.weights.fed import fed

FOLDER = "trained"  # in the paper's


def place(paper: str, variant: str) -> pathlib.Path:
    """The folder of a variant's shipped run, which may not be there."""
    return reproductions.folder(paper) / FOLDER / variant


def comes_with_the_code(run: run_weights.Trained, paper: str, variant: str) -> bool:
    """Whether a run is the shipped one, however its folder was named."""
    return run.folder.resolve() == place(paper, variant).resolve()


def variants() -> list[str]:
    """Those that have shipped weights."""
    return [
        run.parent.name
        for paper in reproductions.names()
        for run in sorted(place(paper, "").glob("*/run.json"))
    ]


def options_for(
    form: str, paper: str, variant: str, values: dict, given: set[str], *, measures: bool = False
) -> tuple[Options, run_weights.Trained | None]:
    """(options for --weights or the shipped ones, their run if it is known).

    A run's own settings stay; --set and --data change them one by one. Says
    which weights they are, unless --weights does.

    Args:
        form: The command's, for people who gave no weights.
        measures: Whether images are measured: their data are needed, and may
            be others than the run's; the arithmetic is the run's.

    Raises:
        UsageError, RunError: if there are none, or of other networks, recipes
            or flags.
    """
    weights = values["weights"] or _own(form, paper, variant)
    file, run = run_weights.locate(weights)
    recipe = recipe_named(paper, variant)
    changed = values | {"weights": file}
    if run:
        recipe = _recipe(run, variant, recipe, values, measures=measures)
        if measures and "precision" not in given:
            precision = run.record["precision"]
            if precision == "tensorfloat32":  # of GPUs alone
                precision = "float32"
            changed |= {"precision": precision}
        changed |= {"set": [], "data": None}
    asked = values["preprocessing"]
    recipe = fed(paper, recipe, file, asked, of_a_run=run is not None)
    needs_data = measures and not values["dry_run"]
    options = from_flags(variant, recipe, changed, needs_data=needs_data)
    if run and (not values["weights"] or _mixed(run, options)):
        _say(variant, run, options)
    return options, run


def _recipe(
    run: run_weights.Trained, variant: str, paper: Recipe, values: dict, *, measures: bool
) -> Recipe:
    """The run's recipe, with --set, on the images of --data."""
    recipe = run_weights.recipe_of(run, variant, paper, values["set"])
    if values["data"] is None:
        return recipe
    found = catalog.find(values["data"], recipe.channels, values["data_dir"])
    if found.name == recipe.data:
        return recipe
    if not measures:
        raise UsageError(
            f"{run.folder} was trained on {recipe.data} and knows its classes: "
            f"--data {found.name} would not change what its network says. "
            "Leave it out."
        )
    settings = combined(run_weights.UNCUT, values["set"])
    recipe = run_weights.recipe_of(run, variant, paper, settings)
    return run_weights.on_images_of(recipe, found)


def _own(form: str, paper: str, variant: str) -> str:
    folder = place(paper, variant)
    if not folder.is_dir():
        raise UsageError(
            f"No weights come with {variant}, so --weights must name a run's "
            f"folder or a file: python -m launch {form}. Weights come with: "
            f"{', '.join(variants()) or 'no variant'}."
        )
    return str(folder)


def _mixed(run: run_weights.Trained, options: Options) -> bool:
    """Whether any arithmetic, then or now, is not float32."""
    return {run.record["precision"], options.precision} != {"float32"}


def _say(variant: str, run: run_weights.Trained, options: Options) -> None:
    record = run.record
    print(
        f"The weights are those of {run.folder}: {variant}, seed "
        f"{record['seed']}, trained in {record['precision']}, used here in "
        f"{options.precision}.",
        file=sys.stderr,
    )
