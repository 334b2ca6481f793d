"""The five likeliest classes of photographs, or of all those in a folder.

They go through the recipe's own test transforms and normalisation.
"""

import pathlib
import sys

from absl.flags import FlagValues

from common.data.sources import photographs
from common.errors import UsageError
from common.evaluation import views
from launch.commands.names import find
from launch.settings.flags import items, share, text
from launch.terminal.new_files import require_new
from launch.terminal.quiet import quiet
from launch.weights.bundled_weights import announce, find_network

USAGE = "predict NAME IMAGE... [--weights RUN_OR_FILE] [--out SHEET.png]"
FLAGS = share("weights", "preprocessing", "platform", "data", "data_dir", "set") | {
    "views": items("one of the recipe's views; default: the one that it is monitored with"),
    "out": text("a contact sheet to write, SHEET.png"),
}


def run(words: list[str], flags: FlagValues) -> int:
    """Prints the classes; exit code 0, or 1 if a photograph could not be read."""
    if len(words) < 2:
        raise UsageError(f"predict takes a name and photographs: python -m launch {USAGE}.")
    paper, variant = find(words[0])
    if len(flags.views) > 1 or not set(flags.views) <= set(views.NAMES):
        raise UsageError(
            "predict looks at a photograph under one of the views "
            f"{', '.join(views.NAMES)}; --views gave {','.join(flags.views)}."
        )
    paths, notes = photographs.find(words[1:])
    for note in notes:
        print(note, file=sys.stderr)
    sheet = flags.out and pathlib.Path(flags.out).expanduser()
    if sheet:
        if sheet.suffix.lower() != ".png":
            raise UsageError(f"--out {sheet} must end in .png: it is a picture.")
        require_new(sheet, "--out")
    network = find_network(USAGE, paper, variant, flags)
    announce(network, "float32", named=bool(flags.weights))
    with quiet():
        from launch.inference import prediction
    return prediction.run(network, flags.platform, paths, next(iter(flags.views), None), sheet)
