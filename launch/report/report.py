"""`python -m launch report`: record finished runs, regenerate results.md."""

import os
import pathlib
import sys

import reproductions
from common.errors import RunError, UsageError
from common.files import update_text, write_text
from launch.report import (
    curves,
    experiments,
    fusion_records,
    paper_page,
    records,
    results_page,
    results_slides,
)
from launch.report.figures import figures, overlay
from launch.report.markdown import with_block, with_deviations
from launch.report.papers import Paper, list_unfinished, read_papers
from launch.report.questions import questions
from launch.terminal.new_files import require_place

RESULTS = reproductions.REPOSITORY / "results.md"


def run(folders: list[str], results: pathlib.Path = RESULTS, *, record_all: bool = False) -> int:
    """Records the runs in `folders`, rewrites every generated text, says what changed.

    Args:
        record_all: Also toy runs (`records.find_toys`), which are left out else.

    Raises:
        UsageError: if a folder holds no run.
        RunError: if a run is not finished, a README has no place for its deviations, or
            a paper that was reported before cannot be read. The rows of finished runs are
            never lost by that.
    """
    for paper, fault in reproductions.faults().items():
        if (reproductions.folder(paper) / "results.md").exists():
            raise RunError(
                f"{paper} was reported before, and would now be left out: {fault.rstrip('.')}. "
                "Mend it; or remove its results.md, if it is not to be reported."
            )
    toys = {} if record_all else records.find_toys(folders)
    kept = [folder for folder in folders if folder not in toys]
    changed = [*records.add(kept), *curves.add(kept)]
    papers = read_papers()
    changed += figures.write(papers)
    changed += [file for file, text in texts(papers, results).items() if update_text(file, text)]
    for folder in folders:
        why = toys.get(folder)
        print(f"{folder}: {f'left out: {why}; --record_all records it' if why else 'recorded'}.")
    print("Changed:" if changed else "Nothing changed.")
    for file in changed:
        print(f"  {os.path.relpath(file)}")
    for line in list_unfinished():
        print(line, file=sys.stderr)
    return 0


def texts(papers: dict[str, Paper], results: pathlib.Path = RESULTS) -> dict[pathlib.Path, str]:
    """Every generated text, by its file."""
    settings = experiments.name_settings(papers)
    contest = reproductions.folder("ilsvrc2016")
    pages = contest.parent
    found = {
        results: results_page.page(papers),
        pages / "questions.md": questions.page(papers, settings),
        pages / "settings.md": experiments.page(papers, settings),
        pages / "slides.md": results_slides.page(papers),
        contest / "results.md": _contest_page(),
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
    return {file: text for file, text in found.items() if text}


def _contest_page() -> str:
    entries, fusions = results_slides.entries(), fusion_records.section()
    if not entries and not fusions:
        return ""
    parts = [
        "# ILSVRC2016: leaderboard and fusions",
        "Written by `python -m launch report`; do not edit.",
        *(["![The leaderboard](leaderboard.svg)", entries] if entries else []),
        *([fusions, "![The fusions](fusion.svg)"] if fusions else []),
    ]
    return "\n\n".join(parts) + "\n"


def write_html(folders: list[str], file: pathlib.Path) -> None:
    """Writes one self-contained page; runs may be under way.

    Nothing is recorded. Weights may be given, too: their first layer is drawn.

    Raises:
        UsageError: if `file` cannot be a file, or a folder holds no run.
    """
    from launch.report.html import html_page  # takes NumPy

    require_place(file, "--html")
    write_text(file, html_page.page(folders))
    print(f"{file} is written: {file.stat().st_size / 1e6:.1f} MB.")


def write_svg(folders: list[str], file: pathlib.Path) -> None:
    """Draws the curves of runs and of sweeps' trials over each other; they may be under way.

    Raises:
        UsageError: if `file` cannot be a file, a folder holds no run, or no epoch has ended.
    """
    require_place(file, "--svg")
    paths = [pathlib.Path(folder).expanduser() for folder in folders]
    panels = overlay.show(overlay.find_runs(paths))
    if not panels:
        raise UsageError("--svg draws runs in which an epoch has ended; give the folders of some.")
    write_text(file, figures.draw_svg(overlay.draw, panels) + "\n")
    print(f"{file} is written.")
