"""Trains a network by its paper's recipe, measures it under the paper's views, records it.

The same command goes on with a run that was stopped.
"""

import dataclasses
import pathlib

from absl.flags import FlagValues

from common.data import catalog
from common.errors import UsageError
from launch.commands.names import find, refuse_words
from launch.session.jit_policy import keep_compiled
from launch.settings.flags import MOST, items, number, share, switch, text, whole
from launch.settings.options import read_training
from launch.terminal.quiet import quiet
from launch.weights.fine_tuning import read_changes

USAGE = "NAME [flags]"
FLAGS = share("gpus", "platform", "data", "data_dir", "workdir", "seed", "precision")
FLAGS |= share("jit_compile", "microbatches", "set") | {
    "from": text(
        "trained weights to begin with: a run's folder, a file, or a variant whose weights come "
        "with the code; for other classes with a new head; images are prepared as theirs were"
    ),
    "freeze": items("with --from: layers whose names begin like these stay as they are: conv1,fc6"),
    "body_rate": number(
        "with --from: times the learning rate in all layers but those that depend on the number "
        "of classes",
        1.0,
        high=1e6,
    ),
    "scale_learning_rate": switch(
        "times the learning rate by as much as --set global_batch_size changes "
        "the batch, as a deviation on record"
    ),
    "recover": whole(
        "on a loss that is not finite go back to the last good checkpoint with a "
        "tenth of the learning rate, so many times at most, on record",
        0,
        high=MOST,
    ),
}
FLAGS |= share("preprocessing", "dry_run") | {
    "time_step": switch("with --dry_run: time training steps, too, and say how long all take")
}
FLAGS |= share("checkpoint_minutes", "stalled_minutes", "max_hours")


def run(words: list[str], flags: FlagValues) -> int:
    """Trains, or shows the plan; the process's exit code."""
    if not words:
        raise UsageError(
            "Name a paper, a variant or a verb: python -m launch list shows "
            "what there is, python -m launch --help how to use it."
        )
    if flags.time_step and not flags.dry_run:
        raise UsageError("--time_step goes with --dry_run: a training times itself.")
    if words[0] == "train":
        name = " ".join(words[1:]) or "NAME"
        raise UsageError(f"A training has no verb: python -m launch {name} ...")
    paper, variant = find(words[0])
    refuse_words("NAME", words[1:])
    changes, weights = read_changes(paper, variant, flags)
    asked = read_training(
        paper,
        variant,
        flags,
        changes,
        needs_data=not flags.dry_run,
        recover=flags.recover,
        scale_learning_rate=flags.scale_learning_rate,
    )
    asked = dataclasses.replace(asked, weights=weights)
    keep_compiled(pathlib.Path(catalog.default_cache_dir()))
    with quiet():
        from launch.session import training
    if flags.dry_run:
        return training.plan(asked, timed=flags.time_step)
    return training.run(asked)
