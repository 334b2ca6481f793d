"""The five likeliest classes of photographs, or of all those in folders.

They go through the recipe's own test transforms and normalisation.
"""

import pathlib
import sys

from absl.flags import FlagValues

from common.data.sources import photographs
from common.errors import UsageError
from common.evaluation import views
from launch.commands.names import find_trained
from launch.settings.flags import items, repeated, share
from launch.terminal.new_files import require_new
from launch.terminal.quiet import quiet
from launch.weights.bundled_weights import announce, find_network

USAGE = "predict RUN IMAGE... [--out FILE]; or predict NAME IMAGE... [--weights RUN_OR_FILE]"
FLAGS = share("weights", "preprocessing", "platform", "data", "data_dir", "set") | {
    "views": items(
        f"one of {', '.join(views.NAMES)}; default: the one that the recipe is monitored with"
    ),
    "out": repeated(
        "a file to write: a contact sheet, .png, or a table, .csv or .json; repeatable"
    ),
}
SUFFIXES = (".png", ".csv", ".json")


def run(words: list[str], flags: FlagValues) -> int:
    """Prints the classes; exit code 0, or 1 if a photograph could not be read."""
    if len(words) < 2:
        raise UsageError(
            f"predict takes a run or a name, and photographs: python -m launch {USAGE}."
        )
    paper, variant = find_trained(words[0], flags)
    if len(flags.views) > 1 or not set(flags.views) <= set(views.NAMES):
        raise UsageError(
            "predict looks at a photograph under one of the views "
            f"{', '.join(views.NAMES)}; --views gave {','.join(flags.views)}."
        )
    paths, notes = photographs.find(words[1:])
    for note in notes:
        print(note, file=sys.stderr)
    outs = {}  # by suffix
    for out in map(pathlib.Path, flags.out):
        out, suffix = out.expanduser(), out.suffix.lower()
        if suffix not in SUFFIXES or suffix in outs:
            raise UsageError(
                f"--out {out} must end in {', '.join(SUFFIXES)}, each once: a contact sheet, or "
                "a table of the guesses."
            )
        require_new(out, "--out")
        outs[suffix] = out
    network = find_network(USAGE, paper, variant, flags)
    announce(network, "float32", named=bool(flags.weights))
    with quiet():
        from launch.inference import prediction
    return prediction.run(network, flags.platform, paths, next(iter(flags.views), None), outs)
