"""Searches fields of a recipe with keras-tuner.

Trials are short trainings, compared on training images that are held out. The recipe
stays as it is.
"""

from absl.flags import FlagValues

import reproductions
from common.errors import UsageError
from launch.commands.names import read_name
from launch.settings.flags import MOST, choice, repeated, share, switch, text, whole
from launch.terminal.quiet import quiet

USAGE = "sweep NAME --trials N [--tuner random] [--space 'FIELD=log(LOW,HIGH)']"
FLAGS = {
    "trials": whole("trials at most", low=1),
    "tuner": choice(
        "keras-tuner's oracle that chooses the trials", ["random", "hyperband", "bayesian"]
    ),
    "space": repeated(
        "FIELD=log(LOW,HIGH), FIELD=linear(LOW,HIGH) or FIELD=choice(A,B), "
        "a field as for --set; repeatable; default: around the recipe's values"
    ),
    "workers": whole(
        "processes here that train trials at the same time, each with GPUs "
        "of its own where there are any",
        1,
        low=1,
        high=MOST,
    ),
    "record": switch("keep the result in the paper's sweeps.toml"),
}
FLAGS |= share("gpus", "platform", "data", "data_dir") | {
    "workdir": text(
        "the sweep's folder, which the same command continues; default: runs/sweep_... with "
        "NAME, data, seed, --set and --tuner"
    )
}
FLAGS |= share("seed", "precision")
FLAGS |= share("jit_compile", "microbatches", "set", "dry_run", "checkpoint_minutes")
FLAGS |= share("stalled_minutes", "max_hours")


def run(words: list[str], flags: FlagValues) -> int:
    """Runs or continues the sweep; the process's exit code."""
    if not words or flags.trials is None:
        raise UsageError(f"sweep takes a name and a number: python -m launch {USAGE}.")
    paper, variant = read_name(USAGE, words)
    if flags.record:
        reproductions.require_repository("sweep --record")
    from launch.sweep.sweep_request import read_request

    request = read_request(paper, variant, flags)
    with quiet():
        from launch.sweep import sweep
    return sweep.run(request, dry_run=flags.dry_run)
