"""What a sweep was asked to do, as one plain value; imports no TensorFlow."""

import dataclasses
import os
import pathlib

from common.data import catalog
from common.distribution.batch_slice import per_replica_batch_size
from common.errors import UsageError
from common.recipes.recipe import Recipe
from launch.settings.options import Options, from_flags
from launch.sweep.search_space import Dimension, default_space, read

MOST_HELD_OUT = 10_000
# What a trial's own command is given as the sweep was.
PASSED = (
    *("data", "data_dir", "gpus", "platform", "precision", "seed"),
    *("jit_compile", "microbatches", "checkpoint_minutes", "stalled_minutes"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A sweep.

    Attributes:
        options: Of every trial, but for what is searched.
        flags: Words of every trial's command that say where and on what.
        settings: --set of every trial.
        asked: --set as the user gave it.
        trials: At most so many.
        workers: Processes here that train at the same time.
        record: Whether the result goes to the paper's sweeps.toml.
    """

    paper: str
    variant: str
    options: Options
    flags: tuple[str, ...]
    settings: tuple[str, ...]
    asked: tuple[str, ...]
    space: tuple[Dimension, ...]
    tuner: str
    trials: int
    workers: int
    record: bool

    @property
    def folder(self) -> pathlib.Path:
        """Where the sweep is written."""
        return self.options.workdir

    def trial_words(self, folder: pathlib.Path, settings: list[str]) -> list:
        """The command line of a trial, after `python -m launch`."""
        changed = {text.partition("=")[0] for text in settings}
        kept = [t for t in self.settings if t.partition("=")[0] not in changed]
        sets = [f"--set={text}" for text in (*kept, *settings)]
        return [self.variant, *self.flags, *sets, f"--workdir={folder}"]

    def worker_words(self) -> list[str]:
        """The command line of one more worker of this sweep."""
        return [
            *("sweep", self.variant, *self.flags),
            *(f"--set={text}" for text in self.asked),
            *(f"--space={dimension}" for dimension in self.space),
            *(f"--trials={self.trials}", f"--tuner={self.tuner}"),
            f"--workdir={self.folder}",
        ]


def read_request(
    paper: str, variant: str, recipe: Recipe, values: dict, given: set[str]
) -> Request:
    """The request that the flags' values mean.

    Raises:
        UsageError: if it cannot be.
    """
    asked = tuple(_tidy(text) for text in values["set"])
    own = _own_settings(recipe, asked, values)
    settings = (*asked, *own)
    options = from_flags(
        variant, recipe, values | {"set": list(settings)}, needs_data=not values["dry_run"]
    )
    if not values["workdir"]:
        name = f"sweep_{options.workdir.name}_{values['tuner']}"
        options = dataclasses.replace(options, workdir=options.workdir.with_name(name))
    images = _training_images(recipe, values) - options.recipe.held_out
    devices = (options.gpus or 1) * options.microbatches
    texts = values["space"] or default_space(options.recipe, images, devices)
    space = read(options.recipe, texts, values["tuner"])
    _check_batches(space, options)
    _check_workers(values["workers"], values["trials"])
    return Request(
        paper=paper,
        variant=variant,
        options=options,
        flags=tuple(f"--{name}={values[name]}" for name in PASSED if name in given),
        settings=settings,
        asked=asked,
        space=tuple(space),
        tuner=values["tuner"],
        trials=values["trials"],
        workers=values["workers"],
        record=values["record"],
    )


def _tidy(text: str) -> str:
    """A --set without its optional spaces."""
    return "=".join(part.strip() for part in text.split("=", 1))


def _training_images(recipe: Recipe, values: dict) -> int:
    name = values["data"] or recipe.data
    if name.startswith("folder:"):
        raise UsageError(
            "A sweep compares its trials on training images that are held "
            f"out, the last of the files; the files of {name} are not in a "
            "random order. Prepare it first: python -m launch prepare NAME "
            "--source DIR."
        )
    found = catalog.find(name, recipe.channels, values["data_dir"])
    return found.splits["train"]


def _own_settings(recipe: Recipe, asked: tuple, values: dict) -> list[str]:
    """The objective is measured on held-out training images, in one view."""
    given = dict(text.partition("=")[::2] for text in asked)
    settings = []
    if "held_out" not in given and not recipe.held_out:
        count = min(_training_images(recipe, values) // 10, MOST_HELD_OUT)
        settings.append(f"held_out={count}")
    elif given.get("held_out") == "0":
        raise UsageError(
            "--set held_out=0: a sweep never chooses by the test split. Leave "
            "it out for a tenth of the training images, or give a number."
        )
    if "views" not in given and "monitor" not in given:
        settings.append(f"views={recipe.monitor}")
    return settings


def _check_batches(space: list[Dimension], options: Options) -> None:
    for dimension in space:
        if (dimension.path, dimension.kind) == ("global_batch_size", "choice"):
            for batch in dimension.values:
                per_replica_batch_size(batch, options.gpus or 1, options.microbatches)


def _check_workers(workers: int, trials: int) -> None:
    if workers > trials:
        raise UsageError(
            f"--workers {workers} would share {trials} trial(s): give at most "
            "as many workers as trials."
        )
    needed = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
    needed += ("KERASTUNER_TUNER_ID",)
    missing = [name for name in needed if not os.environ.get(name)]
    if len(missing) == len(needed):
        return
    if missing:
        raise UsageError(
            f"A sweep over several hosts needs {', '.join(needed)} on each of "
            f"them; here {' and '.join(missing)} is not set."
        )
    if workers > 1:
        raise UsageError(
            "--workers starts workers here, and $KERASTUNER_TUNER_ID says "
            "that this is one of a sweep over several hosts: give one of them."
        )
