"""`python -m launch report`: record finished runs, regenerate results.md."""

import pathlib

import reproductions
from common.runs import write_text
from launch import records
from launch.markdown import with_deviations
from launch.results_page import page

RESULTS = pathlib.Path(__file__).parents[1] / "results.md"


def run(folders: list[str], results: pathlib.Path = RESULTS) -> int:
    """Records the runs in `folders`, then rewrites every generated text.

    Raises:
        UsageError: if a folder holds no run.
        RunError: if a run is not finished, or a README has no place for its
            deviations. The rows of finished runs are never lost by that.
    """
    records.add(folders)
    texts = {results: page()}
    for paper in reproductions.names():
        readme = reproductions.folder(paper) / "README.md"
        recipes = reproductions.load(paper).RECIPES
        texts[readme] = with_deviations(readme, recipes)
    for file, text in texts.items():
        _write_if_changed(file, text)
    for folder in folders:
        print(f"{folder}: recorded.")
    print(f"{results} is up to date.")
    return 0


def _write_if_changed(file: pathlib.Path, text: str) -> None:
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        write_text(file, text)
