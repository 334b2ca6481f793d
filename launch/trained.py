"""What a run's folder says of the weights in it.

Weights alone do not say on which data and at which size they were trained, nor
what was subtracted from the images; the run that made them does.
"""

import dataclasses
import json
import pathlib
from typing import Any

from common.data.catalog import DataSet
from common.described import describe
from common.errors import RunError, UsageError
from common.overrides import apply, with_data
from common.recipe import Recipe
from common.runs import differences
from common.state_dicts import require_whole

WEIGHTS = "final.weights.h5"
STATISTICS = "statistics.npz"  # of the training set, where the recipe uses them
# The fields that decide what a network makes of an image.
SEEN = (
    "data",
    "image_size",
    "channels",
    "num_classes",
    "test_transforms",
    "normalize",
)


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
    folder = path if path.is_dir() else path.parent
    file = folder / "run.json"
    if not file.is_file():
        if path.is_dir():
            raise UsageError(
                f"{path} is no run's folder: it has no run.json. Give "
                "--weights a run's folder or a file of weights."
            )
        return path, None
    try:
        run = Trained(folder, json.loads(file.read_text()))
    except ValueError as error:
        raise RunError(f"{file} cannot be read: {error}") from error
    if path.is_dir():
        path = folder / WEIGHTS
        if not path.is_file():
            raise UsageError(
                f"{folder} has no {WEIGHTS}: the run did not come to its end. "
                "Its own command continues it."
            )
    return path, run


def recipe_of(run: Trained, variant: str, paper: Recipe) -> Recipe:
    """The paper's recipe, as far as images go changed as the run's was.

    Raises:
        UsageError: if the run is of another network.
        RunError: if the recipe is no longer what it was then.
    """
    record = run.record
    if record["variant"] != variant:
        raise UsageError(
            f"{run.folder} holds a run of {record['variant']}, not of "
            f"{variant}."
        )
    recipe = with_data(paper, _dataset(record))
    recipe = apply(recipe, _settings(record["deviations"]))
    there = record["recipe"]
    here = describe(dataclasses.replace(recipe, deviations=()))
    odd = [
        difference
        for name in SEEN
        for difference in differences(there[name], here[name], name)
    ]
    if odd:
        raise RunError(
            f"{run.folder} was trained with an earlier recipe: "
            f"{'; '.join(odd)}. Its weights would see other images now."
        )
    return recipe


def _dataset(record: dict) -> DataSet:
    """As far as a recipe needs it; the data may be gone."""
    recipe = record["recipe"]
    return DataSet(
        name=recipe["data"],
        title=record["data_title"],
        num_classes=recipe["num_classes"],
        channels=recipe["channels"],
        splits={},
        test_split="",
        tfds_names=(),
        how_to_get="",
    )


def _settings(deviations: list[dict]) -> list[str]:
    """What the run's --set said of images."""
    return [
        f"{d['field']}={d['here'].strip('()')}"
        for d in deviations
        if d["reason"].startswith("--set")
        and d["field"].partition(".")[0] in SEEN
    ]


def load_weights(model: Any, file: pathlib.Path, recipe: Recipe) -> None:
    """Reads a file of weights into the network that was built for `recipe`.

    Raises:
        RunError: if they are another network's.
    """
    require_whole(file)
    try:
        model.load_weights(file)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(
            f"{file} does not fit {model.name} with image size "
            f"{recipe.image_size} and {recipe.num_classes} classes: {error}. "
            "Give the --data and --set values of the run that wrote it."
        ) from error
