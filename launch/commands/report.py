"""Records finished runs in their papers' folders, and writes all reports anew.

These are results.md, the papers' pages and the pictures. With --html it is one page of
all results, and of the runs or weights that are given; they may be under way, and are
not recorded.
"""

import pathlib

from absl.flags import FlagValues

import reproductions
from launch.report import report
from launch.settings.flags import text

USAGE = "report [RUN...]; or report --html FILE [RUN_OR_WEIGHTS...]"
FLAGS = {"html": text("the page to write, instead of all that is in the repository")}


def run(words: list[str], flags: FlagValues) -> int:
    """Writes the reports; exit code 0."""
    if flags.html:
        return report.run_html(words, pathlib.Path(flags.html).expanduser())
    reproductions.require_repository("report without --html")
    return report.run(words)
