"""Which weights a command means."""

import dataclasses
import pathlib
import sys

from absl.flags import FlagValues

import reproductions
from common.data import catalog
from common.data.dataset import DataSet
from common.errors import UsageError
from common.recipes.recipe import Recipe
from launch.settings.options import Experiment, read_experiment, short_name
from launch.settings.overrides import combine
from launch.weights import run_weights
from launch.weights.preprocessing import adapt
from launch.weights.shipped import find_folder, list_variants


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """A trained network.

    Attributes:
        experiment: What it was trained for, and now looks at.
        file: Its weights.
        run: That they are from, if it is known.
    """

    experiment: Experiment
    file: pathlib.Path
    run: run_weights.Trained | None


def comes_with_the_code(network: Network) -> bool:
    """Whether its run is the shipped one, however its folder was named."""
    there = find_folder(network.experiment.paper, network.experiment.variant)
    return network.run is not None and network.run.folder.resolve() == there.resolve()


def find_network(
    usage: str, paper: str, variant: str, flags: FlagValues, *, measures: bool = False
) -> Network:
    """The network of --weights, or the shipped one.

    A run's own settings stay; --set and --data change them one by one.

    Args:
        usage: The command's, for people who gave no weights.
        measures: Whether the images may be others than the run's.

    Raises:
        UsageError, RunError: if there are none, or of other networks, recipes
            or flags.
    """
    weights = flags.weights
    if not weights:
        folder = find_folder(paper, variant)
        if not folder.is_dir():
            raise UsageError(
                f"No weights come with {variant}, so --weights must name a run's "
                f"folder or a file: python -m launch {usage}. Weights come with: "
                f"{', '.join(list_variants()) or 'no variant'}."
            )
        weights = str(folder)
    file, run = run_weights.locate(weights)
    recipe, found, of_now = reproductions.load(paper).RECIPES[variant], None, {}
    data_dir = flags.data_dir
    if run:
        data_dir, folder = _find_place(run, flags, measures=measures)
        recipe, found = _read_recipe(run, variant, recipe, flags, folder, measures=measures)
    else:
        of_now = {"data": flags.data, "changes": flags.set}
    recipe = adapt(paper, recipe, file, flags.preprocessing, of_a_run=run is not None)
    experiment = read_experiment(paper, variant, recipe, data_dir=data_dir, **of_now)
    if not file.is_file():
        raise UsageError(f"There is no file {file} to read weights from (given with --weights).")
    if found:
        experiment = dataclasses.replace(experiment, found=found)
    return Network(experiment=experiment, file=file, run=run)


def _find_place(
    run: run_weights.Trained, flags: FlagValues, *, measures: bool
) -> tuple[str, str | None]:
    """(--data_dir, folder of the run's own folder:PATH or None): as its training found them.

    Flags that are given count more; where the place is gone, measuring says so.
    """
    place, name = run_weights.find_data(run), run.record["recipe"]["data"]
    asked = flags["data_dir"].present or flags.data is not None
    if place is None or asked or name == "sample":  # which is made where it is not
        return flags.data_dir, None
    of_folder = name.startswith("folder:")
    if not place.is_dir():
        if measures:
            now = "--data folder:PATH" if of_folder else "--data_dir"
            print(
                f"{run.folder} was trained on {short_name(name)} in {place}, which is gone: "
                f"{now} says where it is now.",
                file=sys.stderr,
            )
        return flags.data_dir, None
    if of_folder:
        return flags.data_dir, str(place) if measures else None
    return str(place), None


def announce(network: Network, precision: str, *, named: bool) -> None:
    """Says which weights they are, unless --weights does and all is float32.

    Args:
        precision: That they are used in.
        named: Whether there was a --weights.
    """
    if network.run is None:
        return
    record = network.run.record
    if record.get("status", "finished") != "finished":
        print(
            f"{network.run.folder} is not at its end: {network.file.name} is of an earlier moment.",
            file=sys.stderr,
        )
    if named and {record["precision"], precision} == {"float32"}:
        return
    print(
        f"The weights are those of {network.run.folder}: {network.experiment.variant}, seed "
        f"{record['seed']}, trained in {record['precision']}, used here in {precision}.",
        file=sys.stderr,
    )


def _read_recipe(
    run: run_weights.Trained,
    variant: str,
    paper: Recipe,
    flags: FlagValues,
    folder: str | None,
    *,
    measures: bool,
) -> tuple[Recipe, DataSet | None]:
    """(the run's recipe, with --set, on the images of --data; that data set or None).

    Args:
        folder: Of the run's own images; or None.
    """
    recipe = run_weights.read_recipe(run, variant, paper, flags.set)
    if folder:
        return recipe, catalog.find(f"folder:{folder}")
    if flags.data is None:
        return recipe, None
    found = catalog.find(flags.data, recipe.channels, flags.data_dir)
    if found.name == recipe.data:
        return recipe, found
    if not measures:
        raise UsageError(
            f"{run.folder} was trained on {recipe.data} and knows its classes: "
            f"--data {found.name} would not change what its network says. "
            "Leave it out."
        )
    settings = combine(run_weights.UNCUT, flags.set)
    recipe = run_weights.read_recipe(run, variant, paper, settings)
    return run_weights.use_images_of(recipe, found), found
