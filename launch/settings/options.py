"""What a command was asked to do, as one plain value."""

import dataclasses
import pathlib

import reproductions
from common.data import catalog
from common.distribution.batch_slice import per_replica_batch_size
from common.errors import UsageError, did_you_mean
from common.evaluation import views
from common.recipes.recipe import Recipe
from common.recipes.serialization import recipe_hash
from launch.settings.overrides import apply, scaled_with_batch, with_data


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Where and on what to run, and the recipe that results.

    Attributes:
        recipe: The paper's, with `--data` and `--set` applied, each with its
            Deviation.
        gpus: Devices that share each batch; None means all there are, 0 the
            CPU.
        platform: "auto", "cpu" or "gpu".
        data_dir: Where TFDS data sets lie.
        workdir: The run's own folder.
        precision: "float32", "tensorfloat32", "mixed_bfloat16" or
            "mixed_float16".
        jit_compile: Whether XLA compiles the step; None leaves it to
            launch.session.jit_policy.
        microbatches: Parts that a replica's share of the batch is cut into.
        dry_run: Print the plan and stop.
        checkpoint_minutes: Time between checkpoints.
        max_hours: After which it stops, with a checkpoint; or None.
        recover: How often a loss that is not finite is answered by the last
            good checkpoint and a smaller rate.
        stalled_minutes: Without a finished step, until all stacks are shown.
        weights: The file to evaluate; None when training.
        views: Views to evaluate; empty means the recipe's.
        split: To evaluate on; None means the data set's own for tests.
        predictions: The file to write the scores to; or None.
        before: Of the training whose weights this one begins with, by the
            recipe's `initialize_from`; or None.
    """

    recipe: Recipe
    gpus: int | None
    platform: str
    data_dir: pathlib.Path
    workdir: pathlib.Path
    seed: int
    precision: str
    jit_compile: bool | None
    microbatches: int
    dry_run: bool
    checkpoint_minutes: float
    max_hours: float | None
    recover: int
    stalled_minutes: float
    weights: pathlib.Path | None
    views: tuple[str, ...]
    split: str | None
    predictions: pathlib.Path | None
    before: "Options | None"


_AS_GIVEN = (
    "gpus",
    "platform",
    "seed",
    "precision",
    "jit_compile",
    "microbatches",
    "dry_run",
    "checkpoint_minutes",
    "max_hours",
    "recover",
    "stalled_minutes",
    "split",
)


def from_flags(variant: str, paper: Recipe, values: dict, *, needs_data: bool = True) -> Options:
    """The options that the flags' values mean for a paper's recipe.

    Args:
        needs_data: Whether a data set that is not there is an error.

    Raises:
        UsageError: for a data set, recipe field, file or number of devices
            that cannot be.
    """
    data_dir = pathlib.Path(values["data_dir"]).expanduser()
    recipe = paper
    if values["data"] is not None:
        found = catalog.find(values["data"], paper.channels, str(data_dir))
        recipe = with_data(recipe, found)
    recipe = apply(recipe, values["set"])
    if values["scale_learning_rate"]:
        recipe = scaled_with_batch(recipe, paper)
    workdir = values["workdir"] or _default_workdir(
        variant, recipe, values["seed"], values["precision"], changed=bool(values["set"])
    )
    options = Options(
        recipe=recipe,
        data_dir=data_dir,
        workdir=pathlib.Path(workdir).expanduser(),
        weights=_file(values["weights"]),
        views=tuple(values["views"]),
        predictions=_file(values["predictions"]),
        before=None
        if values["weights"]  # they are all there is to begin with
        else _before(recipe, values, needs_data=needs_data),
        **{name: values[name] for name in _AS_GIVEN},
    )
    _check(variant, options, needs_data=needs_data)
    return options


def _before(recipe: Recipe, values: dict, *, needs_data: bool) -> Options | None:
    """The same flags for the network that the recipe begins with.

    Its run has its usual folder, or one inside of a --workdir.
    """
    start = recipe.initialize_from
    if start is None:
        return None
    paper, variant = reproductions.find(start.variant)
    inside = values["workdir"] and str(pathlib.Path(values["workdir"], f"begins_with_{variant}"))
    recipes = reproductions.load(paper).RECIPES
    changed = {"workdir": inside, "views": [], "predictions": None}
    return from_flags(variant, recipes[variant], values | changed, needs_data=needs_data)


def _default_workdir(
    variant: str, recipe: Recipe, seed: int, precision: str, *, changed: bool
) -> pathlib.Path:
    kind, colon, data = recipe.data.partition(":")
    data = pathlib.PurePath(data).name if colon else kind
    mark = "" if precision == "float32" else f"_{precision}"
    mark += f"_{recipe_hash(recipe)}" if changed or colon else ""
    return pathlib.Path("runs", f"{variant}_{data}_seed{seed}{mark}")


def _check(variant: str, options: Options, *, needs_data: bool) -> None:
    if options.weights is not None and not options.weights.is_file():
        raise UsageError(
            f"There is no file {options.weights} to read weights from (given with --weights)."
        )
    recipe = options.recipe
    for view in (*recipe.views, recipe.monitor):
        _check_view(view, views.NAMES)
    own = reproductions.views(*reproductions.find(variant))
    for view in options.views:
        _check_view(view, (*views.NAMES, *own))
    if options.predictions:
        _check_predictions(options)
    per_replica_batch_size(recipe.global_batch_size, options.gpus or 1, options.microbatches)
    if options.microbatches > 1 and recipe.synchronized_batch_norm:
        raise UsageError(
            f"{variant} takes batch normalisation's statistics over the whole "
            "batch, which --microbatches cuts into parts. Leave it out, or "
            "add --set synchronized_batch_norm=False: statistics of each part, "
            "on record as a deviation."
        )
    data, _, path = recipe.data.partition(":")
    prepared = data != "sample" and not path  # the others lie anywhere
    if needs_data and prepared:
        dataset = catalog.find(data, recipe.channels)
        catalog.builder_dir(dataset, str(options.data_dir))


def _file(name: str | None) -> pathlib.Path | None:
    return name and pathlib.Path(name).expanduser()


def _check_predictions(options: Options) -> None:
    if len(options.views or options.recipe.views) != 1:
        raise UsageError(
            "--predictions writes the scores of one view: name it with --views "
            f"{(options.views or options.recipe.views)[0]}."
        )
    if options.predictions.exists():
        raise UsageError(
            f"{options.predictions} exists already; it stays as it is. Remove "
            "it, or give another --predictions."
        )


def _check_view(view: str, known: tuple[str, ...]) -> None:
    if view not in known:
        hint = did_you_mean(view, known)
        raise UsageError(f"There is no view called {view!r}.{hint} Known: {', '.join(known)}.")
