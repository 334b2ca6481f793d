"""What a command is to do, as plain values: what, where and how."""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import reproductions
from common.data import catalog
from common.data.dataset import DataSet
from common.distribution.batch_slice import per_replica_batch_size
from common.errors import UsageError, did_you_mean
from common.evaluation import views
from common.recipes.recipe import Override, Recipe
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

    def require_data(self) -> None:
        """Raises a RunError, which says how to get it, if a prepared data set is not there."""
        name, _, path = self.recipe.data.partition(":")
        if name != "sample" and not path:  # those lie anywhere
            catalog.builder_dir(self.dataset, str(self.data_dir))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Devices:
    """Where it is computed, and in what.

    Attributes:
        gpus: Devices that share each batch; None means all there are, 0 the CPU.
        platform: "auto", "cpu" or "gpu".
        precision: "float32", "tensorfloat32", "mixed_bfloat16" or "mixed_float16".
        jit_compile: Whether XLA compiles the step; None leaves it to
            launch.session.jit_policy.
    """

    gpus: int | None = None
    platform: str = "auto"
    precision: str = "float32"
    jit_compile: bool | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How a training runs; of this, only the seed changes what it computes.

    Attributes:
        workdir: The run's own folder.
        microbatches: Parts that a replica's share of the batch is cut into.
        checkpoint_minutes: Time between checkpoints.
        stalled_minutes: Without a finished step, until all stacks are shown.
        max_hours: After which it stops, with a checkpoint; or None.
        recover: How often a loss that is not finite is answered by the last
            good checkpoint and a smaller rate.
        keep_best: Whether the weights of the best epoch are kept, too.
        renewed: Whether the run may go on with another recipe.
    """

    workdir: pathlib.Path
    seed: int
    microbatches: int
    checkpoint_minutes: float
    stalled_minutes: float
    max_hours: float | None
    recover: int
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
    weights: pathlib.Path | None = None


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
    return Devices(
        gpus=flags.gpus,
        platform=flags.platform,
        precision=flags.precision,
        jit_compile=flags.jit_compile,
    )


def read_training(
    paper: str,
    variant: str,
    flags: "FlagValues",
    changes: Sequence[str | Override],
    *,
    needs_data: bool = True,
    recover: int = 0,
    scale_learning_rate: bool = False,
    workdir: str | None = None,
    **more: bool,
) -> Training:
    """The training that flags mean for a paper's recipe.

    Args:
        changes: As --set says, or --from.
        needs_data: Whether a data set that is not there is an error.
        workdir: Or None: as --workdir says, else by what is trained.
        more: RunSettings' last two.

    Raises:
        UsageError: for a data set, recipe field, view or number of devices that cannot be.
        RunError: if the data are not there.
    """
    about = {"recover": recover, "scale_learning_rate": scale_learning_rate}
    recipe = reproductions.load(paper).RECIPES[variant]
    experiment = read_experiment(
        paper,
        variant,
        recipe,
        data_dir=flags.data_dir,
        data=flags.data,
        changes=changes,
        scale_learning_rate=scale_learning_rate,
    )
    workdir = workdir or flags.workdir
    before, start = None, experiment.recipe.initialize_from
    if start is not None:
        first, name = reproductions.find(start.variant)
        inside = workdir and str(pathlib.Path(workdir, f"begins_with_{name}"))
        before = read_training(
            first, name, flags, changes, needs_data=needs_data, workdir=inside, **about
        )
    folder = workdir or name_workdir(experiment, flags.seed, flags.precision, changed=bool(changes))
    settings = RunSettings(
        workdir=pathlib.Path(folder).expanduser(),
        seed=flags.seed,
        microbatches=flags.microbatches,
        checkpoint_minutes=flags.checkpoint_minutes,
        stalled_minutes=flags.stalled_minutes,
        max_hours=flags.max_hours,
        recover=recover,
        **more,
    )
    _check_held_out(experiment.recipe, settings.keep_best)
    _check_batch(experiment, flags.gpus or 1, flags.microbatches)
    if needs_data:
        experiment.require_data()
    devices = read_devices(flags)
    return Training(experiment=experiment, devices=devices, settings=settings, before=before)


def _check_batch(experiment: Experiment, devices: int, microbatches: int) -> None:
    recipe = experiment.recipe
    per_replica_batch_size(recipe.global_batch_size, devices, microbatches)
    if microbatches > 1 and recipe.synchronized_batch_norm:
        raise UsageError(
            f"{experiment.variant} takes batch normalisation's statistics over the whole "
            "batch, which --microbatches cuts into parts. Leave it out, or "
            "add --set synchronized_batch_norm=False: statistics of each part, "
            "on record as a deviation."
        )


def _check_held_out(recipe: Recipe, keep_best: bool) -> None:
    asked = ["--keep_best"] * keep_best + ["patience"] * (recipe.patience is not None)
    if asked and not recipe.held_out:
        raise UsageError(
            f"{' and '.join(asked)} would choose by the test split, which only measures: give "
            "--set held_out=N, too, which keeps N training images to choose by."
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
    recipe's hash does. So do the folders of earlier runs, which are found again. Other
    content of the same file of weights is none of it: the folder then refuses it.
    """
    recipe = experiment.recipe
    if recipe.fine_tuning:
        named = dataclasses.replace(recipe.fine_tuning, sha256="")
        recipe = dataclasses.replace(recipe, fine_tuning=named)
    data, colon = short_name(recipe.data), ":" in recipe.data
    mark = "" if precision == "float32" else f"_{precision}"
    start = f"{experiment.variant}_{data}_seed{seed}{mark}"
    if not changed and not colon:
        return pathlib.Path("runs", start)
    hashed = pathlib.Path("runs", f"{start}_{recipe_hash(recipe)}")
    changes = {one.field: spell(one.new) for one in recipe.overrides}
    changes.pop("data", None)  # stands there already
    fields = [*(f for f in SHORT if f in changes), *sorted(set(changes) - set(SHORT))]
    said = [say_setting(field, changes[field]) for field in fields]
    words = "_".join([start, *said])
    short = re.fullmatch(r"[\w.=-]{1,100}", words) and said and not colon
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
