"""A network block by block, and as a picture: both from the Keras graph."""

import pathlib

from absl.flags import FlagValues

import reproductions
from common.errors import UsageError
from launch.commands.names import read_name
from launch.settings.flags import share, text
from launch.settings.overrides import apply
from launch.terminal.new_files import require_new
from launch.terminal.quiet import quiet

USAGE = "describe NAME [--set FIELD=VALUE] [--svg FILE.svg]"
FLAGS = {"svg": text("the picture to write")} | share("set")


def run(words: list[str], flags: FlagValues) -> int:
    """Prints the table, and draws the picture if one is asked for; exit code 0."""
    paper, variant = read_name(USAGE, words)
    picture = flags.svg and pathlib.Path(flags.svg).expanduser()
    if picture:
        if picture.suffix.lower() != ".svg":
            raise UsageError(f"--svg {picture} must end in .svg: it is a picture.")
        require_new(picture, "--svg")
    recipe = apply(reproductions.load(paper).RECIPES[variant], flags.set)
    with quiet():
        from launch.drawing import block_table
    return block_table.show_network(paper, variant, recipe, picture)
