"""Which weights a command means."""

import contextlib
import dataclasses
import pathlib
import sys

from absl.flags import FlagValues

import reproductions
from common.data import catalog
from common.data.dataset import DataSet
from common.errors import UsageError
from common.models import preprocessing
from common.recipes.recipe import Recipe
from launch.settings.options import Experiment, read_experiment, short_name
from launch.settings.overrides import combine, with_data
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

    A run's own settings stay, and a file's image size and data; --set and --data change them
    one by one.

    Args:
        usage: The command's, for people who gave no weights.
        measures: Whether the images may be others than the run's.

    Raises:
        UsageError, RunError: if there are none, or of other networks, recipes or flags.
    """
    weights = flags.weights
    if not weights:
        folder = find_folder(paper, variant)
        if not folder.is_dir():
            raise UsageError(
                f"No weights come with {variant}, so --weights must name a run's folder or a "
                f"file: python -m launch {usage}. Weights come with: "
                f"{', '.join(list_variants())}."
            )
        weights = str(folder)
    file, run = run_weights.locate(weights)
    recipe = reproductions.load(paper).RECIPES[variant]
    found, data_dir, of_now = None, flags.data_dir, {"data": flags.data, "changes": flags.set}
    if run:
        recipe, found, data_dir = _read_run(run, variant, recipe, flags, measures=measures)
        of_now = {}
    recipe = adapt(paper, variant, recipe, file, flags.preprocessing, of_a_run=run is not None)
    with contextlib.suppress(OSError):  # no such file: said below
        if not (run or flags.data) and (stated := preprocessing.read(file)):
            of_now["data"] = stated.described.get("data")
    experiment = read_experiment(paper, variant, recipe, data_dir=data_dir, **of_now)
    if not file.is_file():
        raise UsageError(f"There is no file {file} to read weights from (given with --weights).")
    if found:
        experiment = dataclasses.replace(experiment, found=found)
    return Network(experiment=experiment, file=file, run=run)


def _read_run(
    run: run_weights.Trained, variant: str, paper: Recipe, flags: FlagValues, *, measures: bool
) -> tuple[Recipe, DataSet | None, str]:
    """(the run's recipe, with --set, on the images of --data; that data set or None; --data_dir).

    The data are where the training found them; flags that are given count more. Where that
    place is gone, measuring says so.
    """
    recipe = run_weights.read_recipe(run, variant, paper, flags.set)
    trained_on, place = run.record["recipe"]["data"], run_weights.find_data(run)
    of_folder, data_dir = trained_on.startswith("folder:"), flags.data_dir
    asked = flags["data_dir"].present or flags.data is not None
    if place and not asked and trained_on != "sample":  # which is made where it is not
        if place.is_dir() and not of_folder:
            data_dir = str(place)
        elif place.is_dir() and measures:
            return recipe, catalog.find(f"folder:{place}"), data_dir
        elif measures:
            now = "--data folder:PATH" if of_folder else "--data_dir"
            print(
                f"{run.folder} was trained on {short_name(trained_on)} in {place}, which is gone: "
                f"{now} says where it is now.",
                file=sys.stderr,
            )
    if flags.data is None:
        return recipe, None, data_dir
    found = catalog.find(flags.data, recipe.channels, data_dir)
    if found.name == recipe.data:
        return recipe, found, data_dir
    if not measures:
        raise UsageError(
            f"{run.folder} was trained on {recipe.data} and knows its classes: --data "
            f"{found.name} would not change what its network says. Leave it out."
        )
    # The network stays what it was trained to be: its classes and its channels. Of other
    # images than the run's, all that their splits have are measured.
    settings = combine(("train_images=None", "held_out=0"), flags.set)
    recipe = run_weights.read_recipe(run, variant, paper, settings)
    kept = {"num_classes": recipe.num_classes, "channels": recipe.channels}
    recipe = dataclasses.replace(recipe, also_on=())  # it was not trained on these
    return dataclasses.replace(with_data(recipe, found), **kept), found, data_dir


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
    if not named or {record["precision"], precision} != {"float32"}:
        print(
            f"The weights are those of {network.run.folder}: {network.experiment.variant}, seed "
            f"{record['seed']}, trained in {record['precision']}, used here in {precision}.",
            file=sys.stderr,
        )
