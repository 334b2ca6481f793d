"""What a run's folder says of the weights in it.

Weights alone do not say on which data and at which size they were trained, nor
what was subtracted from the images; the run that made them does.
"""

import dataclasses
import json
import pathlib
import sys
import types
from collections.abc import Sequence
from typing import Any

from common.data.sources.relabelled import relabel
from common.errors import RunError, UsageError
from common.models import preprocessing
from common.models.state_dicts import require_whole
from common.recipes.recipe import Recipe
from common.recipes.serialization import describe_recipe
from common.training.health import require_finite_weights
from common.training.run_record import (
    asked_overrides,
    differences,
    is_same_data,
    read_json,
)
from launch.settings.overrides import apply, combine, with_data

WEIGHTS = "final.weights.h5"
BEST = "best.weights.h5"  # where a run keeps its best epoch's
STATISTICS = preprocessing.STATISTICS
# The fields that decide what a network makes of an image.
SEEN = ("data", "image_size", "channels", "num_classes", "test_transforms", "normalize")


@dataclasses.dataclass(frozen=True)
class Trained:
    """A run's folder and its run.json."""

    folder: pathlib.Path
    record: dict


def locate(given: str) -> tuple[pathlib.Path, Trained | None]:
    """(file of weights, the run that it belongs to or None).

    Args:
        given: A run's folder, its file of weights, or any other one.

    Raises:
        UsageError: if the folder is no run's, or was not trained to its end.
        RunError: if its run.json is damaged.
    """
    path = pathlib.Path(given).expanduser()
    is_folder = path.is_dir()
    folder = path if is_folder else path.parent
    record = folder / "run.json"
    if not is_folder and (path.name not in (WEIGHTS, BEST) or not record.is_file()):
        return path, None  # of another name it may be imported, and lie in a run's folder
    if not record.is_file():
        raise UsageError(
            f"{path} is no run's folder: it has no run.json. Give a run's folder "
            "(python -m launch runs lists them), or a name and --weights FILE."
        )
    try:
        run = Trained(folder, read_json(record))
        run.record["variant"], run.record["class_names"]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{record} cannot be read: it is no record of a run ({error}).") from error
    file = folder / WEIGHTS if is_folder else path
    if is_folder and not file.is_file():
        raise UsageError(
            f"{folder} has no {WEIGHTS}: the run has not come to its end. Its own command goes on "
            "with it."
        )
    return file, run


def read_recipe(run: Trained, variant: str, paper: Recipe, settings: Sequence[str] = ()) -> Recipe:
    """The paper's recipe with all that the run's flags changed in it.

    Args:
        settings: --set values of now, which replace the run's of the same fields.

    Raises:
        UsageError: if the run is of another network, or a setting cannot be.
        RunError: if the recipe is no longer what it was then.
    """
    record, there = run.record, run.record["recipe"]
    if record["variant"] != variant:
        raise UsageError(f"{run.folder} holds a run of {record['variant']}, not of {variant}.")
    own = asked_overrides(record)
    about = {name: there[name] for name in ("num_classes", "channels")}
    trained_on = types.SimpleNamespace(name=there["data"], title=record["data_title"], **about)
    changed = with_data(paper, trained_on)
    try:
        recipe = apply(changed, own)
    except UsageError as error:
        raise RunError(
            f"{run.folder} was trained with an earlier recipe, whose settings do not fit the "
            f"present one: {error}"
        ) from error
    here = describe_recipe(recipe)
    mismatches = [line for name in SEEN for line in differences(there[name], here[name], name)]
    if mismatches:
        raise RunError(
            f"{run.folder} was trained with an earlier recipe: {'; '.join(mismatches)}. Its "
            "weights would see other images now."
        )
    return apply(changed, combine(own, settings)) if settings else recipe


def use_labels_of(run: Trained, source: Any) -> Any:
    """The source with the labels that the run's network gives its classes.

    Raises:
        UsageError: if they have other names.
    """
    names = run.record["class_names"]
    found = relabel(source, tuple(names), str(run.folder))
    if (few := len(source.class_names())) < len(names):
        print(
            f"{source.dataset.name} has {few} of the {len(names)} classes that {run.folder} "
            "chooses among.",
            file=sys.stderr,
        )
    return found


def has_same_data(run: Trained, source: Any) -> bool:
    """Whether the source is what the run was trained and measured on."""
    return is_same_data(run.record["data"], json.loads(json.dumps(source.fingerprint())))


def find_data(run: Trained) -> pathlib.Path | None:
    """Where the run's data lay: the folder of folder:PATH, or that of prepared sets.

    None if the run is too old to know.
    """
    sessions = run.record.get("sessions") or [{}]
    place = sessions[-1].get("data_dir")
    return pathlib.Path(place) if place else None


def load_weights(model: Any, file: pathlib.Path, recipe: Recipe) -> None:
    """Reads a file of weights into the network that was built for `recipe`.

    Raises:
        RunError: if they are another network's, or no numbers.
    """
    require_whole(file)
    try:
        model.load_weights(file)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(
            f"{file} does not fit {model.name} with image size {recipe.image_size} and "
            f"{recipe.num_classes} classes: {error}. Give the --data and --set values of the run "
            "that wrote it."
        ) from error
    require_finite_weights(model, str(file))
