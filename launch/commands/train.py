"""Trains a network by its paper's recipe, measures it under the paper's views, records it.

The same command goes on with a run that was stopped, and with --set epochs=N with one
that has ended. RUN, a run's folder, stands for the command that began it.
"""

import pathlib

from absl.flags import FlagValues

from common.errors import UsageError
from common.files import cache_dir
from common.training.run_record import asked_overrides, read_record
from launch.commands.names import find, refuse_words
from launch.session.jit_policy import keep_compiled
from launch.settings.flags import MOST, items, number, share, switch, text, whole
from launch.settings.options import read_training
from launch.settings.overrides import combine
from launch.terminal.quiet import quiet
from launch.weights.fine_tuning import read_changes, require_from

USAGE = "NAME [flags]; or RUN [flags]"
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
    "patience": whole(
        "end after so many epochs without a lower error on the images of --set held_out=N; "
        "the same as --set patience=N",
        low=1,
        high=10**6,
    ),
    "keep_best": switch(
        "keep the weights of the epoch with the lowest error on the images of --set "
        "held_out=N, too, in best.weights.h5"
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
    if flags.patience is not None:
        flags.set = [*flags.set, f"patience={flags.patience}"]
    there = None
    try:
        paper, variant = find(words[0])
    except UsageError:
        there = _read_run(words[0], flags)
        if there is None:
            raise
        paper, variant = find(there["variant"])
    refuse_words("NAME", words[1:])
    changes, weights = flags.set, None
    if flags["from"].value:
        changes, weights = read_changes(paper, variant, flags)
    else:
        require_from(flags)
    if there:
        changes = combine(asked_overrides(there), changes)
    asked = read_training(
        paper,
        variant,
        flags,
        changes,
        needs_data=not flags.dry_run,
        renewed=there is not None,
        weights=weights,
    )
    keep_compiled(cache_dir())
    with quiet():
        from launch.session import training
    if flags.dry_run:
        return training.plan(asked, timed=flags.time_step)
    return training.run(asked)


def _read_run(word: str, flags: FlagValues) -> dict | None:
    """The record of the run whose folder the word is; flags that are not given are its own.

    Raises:
        UsageError: if --workdir names another folder.
        RunError: if the record cannot be read.
    """
    folder = pathlib.Path(word).expanduser()
    if "/" not in word and not (folder / "run.json").is_file():
        return None
    record = read_record(folder)
    if record is None:
        raise UsageError(f"{folder} is no run's folder: it has no run.json.")
    if flags.workdir:
        raise UsageError(f"{folder} is where that run goes on: leave out --workdir.")
    if flags["from"].value:
        raise UsageError(f"{folder} goes on from its own weights: leave out --from.")
    session = record["sessions"][-1]
    own = {name: record[name] for name in ("seed", "precision")}
    own |= {"data": record["recipe"]["data"], "workdir": word}
    own |= {"microbatches": session.get("microbatches", 1)}
    keeps = session.get("keep_best") or bool(record.get("best_weights"))
    own |= {"keep_best": keeps}  # else it would stay an earlier best
    place = session.get("data_dir")
    if place and own["data"].startswith("folder:"):
        if flags.data is None and not pathlib.Path(place).is_dir():
            raise UsageError(
                f"{folder} was trained on the images in {place}, which is gone: --data folder:PATH "
                "says where it is now."
            )
        own["data"] = f"folder:{place}"
    elif place and own["data"] != "sample":
        own["data_dir"] = place
    for name, value in own.items():
        flags.set_default(name, value)
    return record
