"""`python -m launch report`: record finished runs, regenerate results.md."""

import pathlib
import sys

import reproductions
from common.files import write_text
from launch.report import (
    curves,
    experiments,
    fusion_records,
    paper_page,
    records,
    results_page,
    results_slides,
)
from launch.report.figures import figures
from launch.report.html import html_page
from launch.report.markdown import with_block, with_deviations
from launch.report.papers import Paper, list_unfinished, read_papers
from launch.report.questions import questions
from launch.terminal.new_files import require_place

RESULTS = reproductions.REPOSITORY / "results.md"


def run(folders: list[str], results: pathlib.Path = RESULTS) -> int:
    """Records the runs in `folders`, then rewrites every generated text.

    Raises:
        UsageError: if a folder holds no run.
        RunError: if a run is not finished, or a README has no place for its
            deviations. The rows of finished runs are never lost by that.
    """
    records.add(folders)
    curves.add(folders)
    papers = read_papers()
    figures.write(papers)
    for file, text in texts(papers, results).items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            write_text(file, text)
    for folder in folders:
        print(f"{folder}: recorded.")
    for line in list_unfinished():
        print(line, file=sys.stderr)
    print(f"{results} is up to date.")
    return 0


def texts(papers: dict[str, Paper], results: pathlib.Path = RESULTS) -> dict[pathlib.Path, str]:
    """Every generated text, by its file."""
    settings = experiments.name_settings(papers)
    pages = reproductions.folder("ilsvrc2016").parent
    found = {
        results: results_page.page(papers),
        pages / "questions.md": questions.page(papers, settings),
        pages / "settings.md": experiments.page(papers, settings),
        pages / "slides.md": results_slides.page(papers),
    }
    for front, name, table in (
        (results.with_name("README.md"), "results", results_page.front_table(papers)),
        (pages / "README.md", "papers", results_page.list_papers(papers)),
    ):
        if front.exists():
            found[front] = with_block(front, name, table)
    for name, paper in papers.items():
        folder = reproductions.folder(name)
        found[folder / "results.md"] = paper_page.page(paper, settings)
        found[folder / "README.md"] = with_deviations(folder / "README.md", paper.recipes)
    contest = reproductions.folder("ilsvrc2016")
    found[contest / "results.md"] = _contest_page((contest / "leaderboard.toml").exists())
    return {file: text for file, text in found.items() if text}


def _contest_page(leaderboard: bool) -> str:
    fusions = fusion_records.section()
    if not leaderboard and not fusions:
        return ""
    parts = [
        "# ILSVRC2016: leaderboard and fusions",
        "Written by `python -m launch report`; do not edit.",
        *(("![The leaderboard](leaderboard.svg)", results_slides.entries()) * leaderboard),
        *((fusions, "![The fusions](fusion.svg)") * bool(fusions)),
    ]
    return "\n\n".join(parts) + "\n"


def run_html(folders: list[str], file: pathlib.Path) -> int:
    """Writes one self-contained page; runs may be under way.

    Nothing is recorded. Weights may be given, too: their first layer is drawn.

    Raises:
        UsageError: if `file` cannot be a file, or a folder holds no run.
    """
    require_place(file, "--html")
    write_text(file, html_page.page(folders))
    print(f"{file} is written: {file.stat().st_size / 1e6:.1f} MB.")
    return 0
