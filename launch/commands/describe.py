"""A network block by block, as a picture, or how it is trained: all from the code."""

from absl.flags import FlagValues

import reproductions
from common.errors import UsageError
from launch.commands.names import read_name
from launch.settings.flags import path, share, switch
from launch.settings.overrides import apply
from launch.terminal.new_files import require_new
from launch.terminal.quiet import quiet

USAGE = "describe NAME [--recipe] [--set FIELD=VALUE] [--svg FILE.svg]"
FLAGS = {
    "svg": path("the picture to write"),
    "recipe": switch("how it is trained, with the paper's section beside each part"),
} | share("set")


def run(words: list[str], flags: FlagValues) -> int:
    """Prints the table, and draws the picture if one is asked for; exit code 0."""
    paper, variant = read_name(USAGE, words)
    if picture := flags.svg:
        if picture.suffix.lower() != ".svg":
            raise UsageError(f"--svg {picture} must end in .svg: it is a picture.")
        require_new(picture, "--svg")
    recipe = apply(reproductions.load(paper).RECIPES[variant], flags.set)
    with quiet():
        from launch.drawing import block_table
        from launch.session import recipe_table
    if flags.recipe:
        recipe_table.show_recipe(paper, variant, recipe)
        if not picture:
            return 0
    return block_table.show_network(paper, variant, recipe, picture)
