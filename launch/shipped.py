"""Weights that come with the code, and which weights a command means.

A shipped run is what is left of a run's folder, reproductions/PAPER/trained/
VARIANT: its weights, its run.json, and the statistics that its recipe
subtracts. `python -m launch ship RUN` makes it.
"""

import pathlib
import sys

import reproductions
from common.errors import UsageError
from launch import trained
from launch.fed import fed
from launch.options import Options, from_flags
from launch.verbs import recipe_named

FOLDER = "trained"  # in the paper's


def place(paper: str, variant: str) -> pathlib.Path:
    """The folder of a variant's shipped run, which may not be there."""
    return reproductions.folder(paper) / FOLDER / variant


def variants() -> list[str]:
    """Those that have shipped weights."""
    return [
        run.parent.name
        for paper in reproductions.names()
        for run in sorted(place(paper, "").glob("*/run.json"))
    ]


def options_for(
    form: str,
    paper: str,
    variant: str,
    values: dict,
    given: set[str],
    *,
    measures: bool = False,
) -> tuple[Options, trained.Trained | None]:
    """(options for --weights or the shipped ones, their run if it is known).

    Says which weights they are, unless --weights does.

    Args:
        form: The command's, for people who gave no weights.
        measures: Whether data are needed, the arithmetic is the run's, and
            the run is that of the result: it is None where the result has no
            place in it.

    Raises:
        UsageError, RunError: if there are none, or of other networks, recipes
            or flags.
    """
    weights = values["weights"] or _own(form, paper, variant)
    file, run = trained.locate(weights)
    recipe = recipe_named(paper, variant)
    if run and not given & {"data", "set"}:
        recipe = trained.recipe_of(run, variant, recipe)
        if measures and "precision" not in given:
            precision = run.record["precision"]
            if precision == "tensorfloat32":  # of GPUs alone
                precision = "float32"
            values = values | {"precision": precision}
    asked = values["preprocessing"]
    recipe = fed(paper, recipe, file, asked, of_a_run=run is not None)
    changed = values | {"weights": file}
    options = from_flags(variant, recipe, changed, needs_data=measures)
    if run and (not values["weights"] or _mixed(run, options)):
        _say(variant, run, options)
    if measures and (not values["weights"] or given & {"data", "set"}):
        run = None  # the result is no part of it
    return options, run


def _own(form: str, paper: str, variant: str) -> str:
    folder = place(paper, variant)
    if not folder.is_dir():
        raise UsageError(
            f"No weights come with {variant}, so --weights must name a run's "
            f"folder or a file: python -m launch {form}. Weights come with: "
            f"{', '.join(variants()) or 'no variant'}."
        )
    return str(folder)


def _mixed(run: trained.Trained, options: Options) -> bool:
    """Whether any arithmetic, then or now, is not float32."""
    return {run.record["precision"], options.precision} != {"float32"}


def _say(variant: str, run: trained.Trained, options: Options) -> None:
    record = run.record
    print(
        f"The weights are those of {run.folder}: {variant}, seed "
        f"{record['seed']}, trained in {record['precision']}, used here in "
        f"{options.precision}.",
        file=sys.stderr,
    )
