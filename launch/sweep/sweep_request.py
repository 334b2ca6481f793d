"""What a sweep was asked to do, as one plain value; imports no TensorFlow."""

import dataclasses
import os
import pathlib

from absl.flags import FlagValues

import reproductions
from common.data import catalog
from common.distribution.batch_slice import per_replica_batch_size
from common.errors import UsageError
from common.recipes.recipe import Recipe
from launch.settings.options import Training, read_training
from launch.sweep.search_space import Dimension, count_epochs, default_space, read

MOST_HELD_OUT = 10_000
# What a trial's own command is given as the sweep was.
PASSED = (
    *("data", "data_dir", "gpus", "platform", "precision", "seed"),
    *("jit_compile", "microbatches", "checkpoint_minutes", "stalled_minutes"),
)
# keras-tuner's: where the chief serves the oracle, and which of them a process is.
MEMBER = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A sweep.

    Attributes:
        training: Of every trial, but for what is searched; its folder is the sweep's.
        flags: Words of every trial's command that say where and on what.
        settings: --set of every trial.
        trials: At most so many.
        epochs: Of each, at most, as the recipe is.
        workers: Processes here that train at the same time.
        record: Whether the result goes to the paper's sweeps.toml.
    """

    training: Training
    flags: tuple[str, ...]
    settings: tuple[str, ...]
    space: tuple[Dimension, ...]
    tuner: str
    trials: int
    epochs: int
    workers: int
    record: bool

    @property
    def folder(self) -> pathlib.Path:
        """Where the sweep is written."""
        return self.training.settings.workdir

    @property
    def variant(self) -> str:
        """What is trained."""
        return self.training.experiment.variant

    @property
    def recipe(self) -> Recipe:
        """Of every trial, but for what is searched."""
        return self.training.experiment.recipe

    def trial_words(self, folder: pathlib.Path, settings: list[str]) -> list[str]:
        """The command line of a trial, after `python -m launch`."""
        changed = {text.partition("=")[0] for text in settings}
        kept = [t for t in self.settings if t.partition("=")[0] not in changed]
        sets = [f"--set={text}" for text in (*kept, *settings)]
        return [self.variant, *self.flags, *sets, f"--workdir={folder}"]


def read_request(paper: str, variant: str, flags: FlagValues) -> Request:
    """The request that the flags mean.

    Raises:
        UsageError: if it cannot be.
    """
    asked = ["=".join(part.strip() for part in text.split("=", 1)) for text in flags.set]
    own = reproductions.load(paper).RECIPES[variant]
    data = flags.data or own.data
    images = catalog.find(data, own.channels, flags.data_dir).splits.get("train", 0)
    settings = (*asked, *_measure_held_out(own, asked, images))
    training = read_training(paper, variant, flags, settings, needs_data=not flags.dry_run)
    if not flags.workdir:
        usual = training.settings.workdir
        folder = usual.with_name(f"sweep_{usual.name}_{flags.tuner}")
        settled = dataclasses.replace(training.settings, workdir=folder)
        training = dataclasses.replace(training, settings=settled)
    recipe, gpus = training.experiment.recipe, flags.gpus or 1
    trained = recipe.train_images or images - recipe.held_out
    texts = flags.space or default_space(recipe, trained, gpus * flags.microbatches)
    space = read(recipe, texts, flags.tuner)
    for dimension in space:
        if (dimension.path, dimension.kind) == ("global_batch_size", "choice"):
            for batch in dimension.values:
                per_replica_batch_size(batch, gpus, flags.microbatches)
    _check_workers(flags.workers, flags.trials)
    return Request(
        training=training,
        flags=tuple(f"--{name}={flags[name].value}" for name in PASSED if flags[name].present),
        settings=settings,
        space=tuple(space),
        tuner=flags.tuner,
        trials=flags.trials,
        epochs=count_epochs(recipe, trained),
        workers=flags.workers,
        record=flags.record,
    )


def _measure_held_out(recipe: Recipe, asked: list[str], images: int) -> list[str]:
    """The settings by which the objective is of held-out training images, in one view."""
    given = dict(text.partition("=")[::2] for text in asked)
    settings = []
    if given.get("held_out") == "0":
        raise UsageError(
            "--set held_out=0: a sweep never chooses by the test split. Leave "
            "it out for a tenth of the training images, or give a number."
        )
    if "held_out" not in given and not recipe.held_out:
        settings.append(f"held_out={max(1, min(images // 10, MOST_HELD_OUT))}")
    if "views" not in given and "monitor" not in given:
        settings.append(f"views={recipe.monitor}")
    return settings


def _check_workers(workers: int, trials: int) -> None:
    if workers > trials:
        raise UsageError(
            f"--workers {workers} would share {trials} trial(s): give at most "
            "as many workers as trials."
        )
    missing = [name for name in MEMBER if not os.environ.get(name)]
    if missing and len(missing) < len(MEMBER):
        raise UsageError(
            f"A sweep over several hosts needs {', '.join(MEMBER)} on each of "
            f"them; here {' and '.join(missing)} is not set."
        )
    if workers > 1 and not missing:
        raise UsageError(
            "--workers starts workers here, and $KERASTUNER_TUNER_ID says "
            "that this is one of a sweep over several hosts: give one of them."
        )
