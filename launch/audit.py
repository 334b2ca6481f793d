"""`python -m launch audit`: the papers' structural tables, cell by cell."""

import os
from collections.abc import Iterable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow

import reproductions
from common.audit import MISFIT, CellVerdict, audit_paper
from launch.tables import show

COLUMNS = ["row", "column", ">paper", ">computed", "verdict", "explanation"]


def run(papers: Iterable[str]) -> int:
    """Prints each paper's tables; 1 if a difference has no explanation."""
    cells = []
    for paper in papers:
        build_model = reproductions.load(paper).build_model
        found = audit_paper(reproductions.folder(paper), build_model)
        show_tables(paper, found)
        cells += found
    print(f"\n{summary(cells)}")
    return 1 if any(cell.verdict == MISFIT for cell in cells) else 0


def show_tables(paper: str, cells: list[CellVerdict]) -> None:
    """One table of the terminal for each table of the paper."""
    for title in dict.fromkeys(cell.table for cell in cells):
        rows = [
            [c.row, c.column, c.paper, c.computed, c.verdict]
            + [c.explanation or ""]
            for c in cells
            if c.table == title
        ]
        print()
        show(f"{paper}: {title}", COLUMNS, rows)


def summary(cells: list[CellVerdict]) -> str:
    """How many cells have which verdict, such as "90 agrees, 2 explained"."""
    verdicts = [cell.verdict for cell in cells]
    counts = [f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts)]
    return f"{len(cells)} cells: {', '.join(counts)}."
