"""The papers' structural numbers, recomputed from the networks cell by cell."""

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING

from absl.flags import FlagValues

import reproductions
from common.papers.expected import Expected, read_expected
from launch.commands.names import find, refuse_words
from launch.terminal.display import Counting
from launch.terminal.quiet import quiet
from launch.terminal.tables import show

if TYPE_CHECKING:
    import keras

    from common.papers.audit import CellVerdict

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow

USAGE = "audit [NAME]"
FLAGS = {}
COLUMNS = ["row", "column", ">paper", ">computed", "verdict", "explanation"]


def run(words: list[str], flags: FlagValues) -> int:
    """Prints each paper's tables; 1 if a difference has no explanation."""
    refuse_words(USAGE, words[1:])
    faults = {} if words else reproductions.faults()
    papers = [find(name)[0] for name in words] or reproductions.readable()
    with quiet():
        from common.papers.audit import MISFIT, audit_paper, networks

    expected = {paper: read_expected(reproductions.folder(paper)) for paper in papers}
    variants = {variant for claims in expected.values() for variant in networks(claims)}
    cells, counted, counting = [], {}, Counting()

    def build_model(variant: str) -> "keras.Model":
        counting.show("building networks", len(counted), len(variants))
        return reproductions.build_model(*reproductions.find(variant))

    for paper, claims in expected.items():
        try:
            found = audit_paper(reproductions.folder(paper), build_model, counted)
        except (Exception, SystemExit) as error:  # of a paper that is being written
            if words:
                raise
            faults = {**faults, paper: f"{type(error).__name__}: {error}"}
            continue
        finally:
            counting.clear()
        show_tables(paper, claims, found)
        cells += found
    counts = Counter(cell.verdict for cell in cells)
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    print(f"\n{len(cells)} cells: {said}." if cells else "")
    for paper, fault in faults.items():
        print(f"{paper} is not audited: {fault}", file=sys.stderr)
    return 1 if faults or any(cell.verdict == MISFIT for cell in cells) else 0


def show_tables(paper: str, expected: Expected, cells: "list[CellVerdict]") -> None:
    """One table of the terminal for each table of the paper."""
    notes = {table.title: table.note for table in expected.table}
    for title in dict.fromkeys(cell.table for cell in cells):
        rows = [
            [c.row, c.column, c.paper, c.computed, c.verdict, c.explanation or ""]
            for c in cells
            if c.table == title
        ]
        note = f"\n{notes[title]}" if notes.get(title) else ""
        print()
        show(f"{paper}: {title}{note}", COLUMNS, rows)
