"""What a command is to do, as plain values: what, where and how."""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import reproductions
from common.data import catalog
from common.data.dataset import DataSet
from common.distribution.batch_slice import per_replica_batch_size
from common.errors import RunError, UsageError, did_you_mean
from common.evaluation import views
from common.recipes.recipe import Override, Recipe, is_fitted, normalizes_whole_batches
from common.recipes.serialization import recipe_hash, spell
from launch.settings.overrides import apply, scale_with_batch, with_data
from launch.terminal.display import Counting

if TYPE_CHECKING:
    from absl.flags import FlagValues

# How names of runs and of settings say the commonest changes.
SHORT = {"image_size": "{}px", "epochs": "{}ep", "updates": "{}up", "global_batch_size": "b{}"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is trained or measured.

    Attributes:
        recipe: The paper's, with `--data` and `--set` applied, each with its Override.
        data_dir: Where TFDS data sets lie.
        found: The data set that `--data` names; or None: the recipe's.
    """

    paper: str
    variant: str
    recipe: Recipe
    data_dir: pathlib.Path
    found: DataSet | None = None

    @functools.cached_property
    def dataset(self) -> DataSet:
        """The data set, looked up when it is first asked for: weights can do without."""
        recipe = self.recipe
        return self.found or catalog.find(recipe.data, recipe.channels, str(self.data_dir))

    def place(self) -> pathlib.Path:
        """Where the data lie: the folder of folder:PATH, or that of prepared sets."""
        kind, _, path = self.recipe.data.partition(":")
        return pathlib.Path(path).expanduser() if kind == "folder" else self.data_dir

    def require_data(self, *, tip: str = "") -> None:
        """Raises a RunError, which says how to get it, if a prepared data set is not there.

        Args:
            tip: What to try without it; follows the error.
        """
        try:
            catalog.require_here(self.dataset, str(self.data_dir))
        except RunError as error:
            raise RunError(f"{error}{tip}") from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Devices:
    """Where it is computed, and in what, as the flags of these names say.

    Attributes:
        gpus: Devices that share each batch; None means all there are, 0 the CPU.
        jit_compile: Whether XLA compiles the step; None leaves it to
            launch.session.jit_policy.
    """

    gpus: int | None = None
    platform: str = "auto"
    precision: str = "float32"
    jit_compile: bool | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How a training runs, as the flags of these names say; only the seed changes its result.

    Attributes:
        workdir: The run's own folder.
        renewed: Whether the run may go on with another recipe.
    """

    workdir: pathlib.Path
    seed: int
    microbatches: int
    checkpoint_minutes: float
    stalled_minutes: float
    max_hours: float | None
    recover: int = 0
    keep_best: bool = False
    renewed: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """One training: what, where and how.

    Attributes:
        before: The training whose weights this one begins with, by the recipe's
            `initialize_from`; or None.
        weights: The file that it begins with, by the recipe's `fine_tuning`; or None.
    """

    experiment: Experiment
    devices: Devices
    settings: RunSettings
    before: "Training | None"
    weights: pathlib.Path | None


def read_experiment(
    paper: str,
    variant: str,
    recipe: Recipe,
    *,
    data_dir: str,
    data: str | None = None,
    changes: Sequence[str | Override] = (),
    scale_learning_rate: bool = False,
) -> Experiment:
    """The experiment that --data and --set make of a recipe.

    Raises:
        UsageError: for a data set, recipe field or view that cannot be.
    """
    place = pathlib.Path(data_dir).expanduser()
    counting = Counting()
    find = functools.partial(catalog.find, progress=counting.show)
    found = None if data is None else find(data, recipe.channels, str(place))
    counting.clear()
    changed = apply(recipe if found is None else with_data(recipe, found), changes)
    if scale_learning_rate:
        changed = scale_with_batch(changed, recipe)
    check_views((*changed.views, changed.monitor), views.NAMES)
    return Experiment(paper=paper, variant=variant, recipe=changed, data_dir=place, found=found)


def read_devices(flags: "FlagValues") -> Devices:
    """Where the flags say to compute."""
    return Devices(**_read_fields(Devices, flags))


def _read_fields(kind: type, flags: "FlagValues") -> dict[str, Any]:
    """The values of the flags that are called as fields of `kind` are."""
    return {
        field.name: flags[field.name].value
        for field in dataclasses.fields(kind)
        if field.name in flags
    }


def read_training(
    paper: str,
    variant: str,
    flags: "FlagValues",
    changes: Sequence[str | Override],
    *,
    needs_data: bool = True,
    workdir: str | None = None,
    renewed: bool = False,
    weights: pathlib.Path | None = None,
) -> Training:
    """The training that the flags of a training, or of a sweep, mean for a paper's recipe.

    Args:
        changes: As --set says, or --from.
        needs_data: Whether a data set that is not there is an error.
        workdir: Or None: as --workdir says, else by what is trained.
        renewed: Whether the run may go on with another recipe.
        weights: The file that --from names; or None.

    Raises:
        UsageError: for a data set, recipe field, view or number of devices that cannot be.
        RunError: if the data are not there.
    """
    experiment = read_experiment(
        paper,
        variant,
        reproductions.load(paper).RECIPES[variant],
        data_dir=flags.data_dir,
        data=flags.data,
        changes=changes,
        scale_learning_rate="scale_learning_rate" in flags and flags.scale_learning_rate,
    )
    recipe, workdir = experiment.recipe, workdir or flags.workdir
    before = None
    if start := recipe.initialize_from:
        first, name = reproductions.find(start.variant)
        inside = workdir and str(pathlib.Path(workdir, f"begins_with_{name}"))
        before = read_training(first, name, flags, changes, needs_data=needs_data, workdir=inside)
        settings = dataclasses.replace(before.settings, keep_best=False)
        before = dataclasses.replace(before, settings=settings)
    folder = workdir or name_workdir(experiment, flags.seed, flags.precision, changed=bool(changes))
    of_flags = _read_fields(RunSettings, flags) | {"workdir": pathlib.Path(folder).expanduser()}
    settings = RunSettings(**of_flags, renewed=renewed)
    _check_settings(variant, recipe, settings, gpus=flags.gpus or 1)
    if needs_data:
        parts = (flags.gpus or 1) * settings.microbatches
        batch = -(-4 // parts) * parts
        few = f" --set train_images={10 * batch} --set global_batch_size={batch}"
        few = "" if is_fitted(recipe) else few
        tip = f" To see it run without: --data sample --set epochs=1{few}."
        experiment.require_data(tip="" if renewed else tip)
    return Training(
        experiment=experiment,
        devices=read_devices(flags),
        settings=settings,
        before=before,
        weights=weights,
    )


def _check_settings(variant: str, recipe: Recipe, settings: RunSettings, *, gpus: int) -> None:
    """Refuses what the recipe does not go with."""
    asked = ["--keep_best"] * settings.keep_best + ["patience"] * (recipe.patience is not None)
    if asked and not recipe.held_out:
        raise UsageError(
            f"{' and '.join(asked)} would choose by the test split, which only measures: give "
            "--set held_out=N, too, which keeps N training images to choose by."
        )
    per_replica_batch_size(recipe.global_batch_size, gpus, settings.microbatches)
    if settings.microbatches > 1 and normalizes_whole_batches(recipe):
        raise UsageError(
            f"{variant} takes batch normalisation's statistics over the whole "
            "batch, which --microbatches cuts into parts. Leave it out, or "
            "add --set synchronized_batch_norm=False: statistics of each part, "
            "on record as a deviation."
        )


def shorten_path(field: str) -> str:
    """A field's path without its beginning where the rest says enough."""
    return field.removeprefix("optimizer.").removeprefix("network.")


def say_setting(field: str, value: str) -> str:
    """What was set, in the fewest words: "20ep", "learning_rate=0.1"."""
    return SHORT.get(field, f"{shorten_path(field)}={{}}").format(value)


def name_workdir(
    experiment: Experiment, seed: int, precision: str, *, changed: bool
) -> pathlib.Path:
    """The usual folder of a run; `changed` says whether there was a --set.

    It says what was set, as far as that is short; else, and of a folder of images, the
    recipe's hash does. So do the folders of earlier runs, which are found again. The weights'
    SHA-256 is not in the name; a changed file is refused when the folder is opened.
    """
    recipe, of_folder = experiment.recipe, ":" in experiment.recipe.data
    if recipe.fine_tuning:
        named = dataclasses.replace(recipe.fine_tuning, sha256="")
        recipe = dataclasses.replace(recipe, fine_tuning=named)
    start = f"{experiment.variant}_{short_name(recipe.data)}_seed{seed}"
    start += f"_{precision}" * (precision != "float32")
    if not changed and not of_folder:
        return pathlib.Path("runs", start)
    hashed = pathlib.Path("runs", f"{start}_{recipe_hash(recipe)}")
    changes = {one.field: spell(one.new) for one in recipe.overrides if one.field != "data"}
    fields = [*(f for f in SHORT if f in changes), *sorted(set(changes) - set(SHORT))]
    words = "_".join([start, *(say_setting(field, changes[field]) for field in fields)])
    short = changes and not of_folder and re.fullmatch(r"[\w.=-]{1,100}", words)
    return pathlib.Path("runs", words) if short and not hashed.exists() else hashed


def short_name(data: str) -> str:
    """What --data says, without what it is and where it lies: folder:/a/b is b."""
    return pathlib.PurePath(data.partition(":")[2]).name or data


def check_views(names: Iterable[str], known: Sequence[str]) -> None:
    """Raises a UsageError for a view that is not among the known ones."""
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(f"There is no view called {name!r}.{hint} Known: {', '.join(known)}.")
