"""What there is, what it costs, what was run."""

import sys

from absl.flags import FlagValues

import reproductions
from common.papers.expected import read_expected
from launch.commands.names import find, refuse_words
from launch.report import records
from launch.report.measurements import cost, measurements, status
from launch.report.papers import list_unfinished
from launch.terminal.tables import show
from launch.weights import shipped

USAGE = "list [NAME]"
FLAGS = {}
COLUMNS = ["paper", "variant", ">parameters", ">MACs/image", "data", ">recipe"]
COLUMNS += ["top-1 error measured here"]


def run(words: list[str], flags: FlagValues) -> int:
    """Prints one line for each variant, of the paper that is named or of all; the exit code."""
    refuse_words(USAGE, words[1:])
    papers = [find(word)[0] for word in words] or reproductions.readable()
    rows = [row for paper in papers for row in rows_of(paper)]
    show("", COLUMNS, rows)
    if words:
        return 0
    if variants := shipped.list_variants():
        print(f"\nTrained weights come with {', '.join(variants)}.")
    for line in list_unfinished():
        print(line, file=sys.stderr)
    return 0


def rows_of(paper: str) -> list[list[str]]:
    """A paper's lines, from its recipes, claims and measured rows.

    Parameters and MACs are the main path's: the network that is tested.
    """
    folder = reproductions.folder(paper)
    expected = read_expected(folder)
    found = measurements(paper, records.file(paper).read())
    return [
        [
            paper,
            variant,
            f"{expected.parameters[variant]:,}",
            f"{expected.macs[variant]:,}",
            recipe.data,
            cost(recipe, expected.macs[variant]),
            status(variant, recipe.data, expected, found),
        ]
        for variant, recipe in reproductions.load(paper).RECIPES.items()
    ]
