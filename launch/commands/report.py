"""Records finished runs in their papers' folders, and writes all reports anew.

These are results.md, the papers' pages and the pictures; which of them changed is said.
Toy runs (sample images, own folders, a few epochs) are named and left out. With --html it is
one page of all results, with the runs, sweeps or weights that are given; with --svg one
picture of the runs' curves. Those may be under way, and are not recorded.
"""

from absl.flags import FlagValues

import reproductions
from launch.report import report
from launch.settings.flags import path, switch

USAGE = "report [RUN...]; or report --html FILE [RUN_OR_SWEEP_OR_WEIGHTS...]"
FLAGS = {
    "html": path("the page to write, instead of all that is in the repository"),
    "svg": path("the picture to write: loss and error of the runs over each other"),
    "record_all": switch("record toy runs, too"),
}


def run(words: list[str], flags: FlagValues) -> int:
    """Writes the reports; exit code 0."""
    if not (flags.html or flags.svg):
        reproductions.require_repository("report without --html or --svg")
        return report.run(words, record_all=flags.record_all)
    for flag, write in (("html", report.write_html), ("svg", report.write_svg)):
        if flags[flag].value:
            write(words, flags[flag].value)
    return 0
