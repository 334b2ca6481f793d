"""`python -m launch report`: record finished runs, regenerate results.md."""

import pathlib

import reproductions
from common.files import write_text
from launch.report import curves, fusion_records, records, results_slides
from launch.report.figures import figures
from launch.report.html import html_page
from launch.report.markdown import with_deviations
from launch.report.paper_results import Paper
from launch.report.results_page import page
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
    figures.write()
    for file, text in texts(results).items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            write_text(file, text)
    for folder in folders:
        print(f"{folder}: recorded.")
    print(f"{results} is up to date.")
    return 0


def texts(results: pathlib.Path = RESULTS) -> dict[pathlib.Path, str]:
    """Every generated text, by its file."""
    papers = {name: Paper(name) for name in reproductions.names()}
    found = {results: page(papers)}
    for name, paper in papers.items():
        folder = reproductions.folder(name)
        found[folder / "results.md"] = paper.page()
        readme = folder / "README.md"
        found[readme] = with_deviations(readme, paper.recipes)
    challenge = reproductions.folder("ilsvrc2016")
    if (challenge / "leaderboard.toml").exists():
        found[challenge / "results.md"] = _challenge()
    return found


def _challenge() -> str:
    return (
        "# ILSVRC2016: leaderboard and fusions\n\nWritten by `python -m launch "
        "report`; do not edit.\n\n![The leaderboard](leaderboard.svg)\n\n"
        f"{results_slides.entries()}\n\n{fusion_records.details()}\n\n"
        "![The fusions](fusion.svg)\n"
    )


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
