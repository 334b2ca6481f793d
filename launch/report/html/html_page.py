"""`python -m launch report --html`: all results as one page, without network.

Style and script are in launch/html; nothing is loaded from anywhere.
"""

import pathlib
import string
from html import escape

import numpy as np

import reproductions
from launch.report import curves
from launch.report.figures.figure_curves import groups
from launch.report.html import charts, first_filters, tables
from launch.report.paper_results import Paper, differing

FOLDER = pathlib.Path(__file__).parent


def page(given: list[str]) -> str:
    """The whole page.

    Args:
        given: Folders of runs, which may be under way, and files of weights.

    Raises:
        UsageError: if one is neither.
        RunError: if one is damaged.
    """
    runs = [_given(pathlib.Path(name).expanduser()) for name in given]
    papers = tables.read_papers()
    parts = {
        "summary": ("In short", _summary(papers)),
        "runs": ("Runs given", _section("runs", "Runs given", runs)),
        **{anchor: (title, make(papers)) for anchor, title, make in tables.all_parts()},
        "curves": ("Curves", _section("curves", "Recorded curves", _curves())),
        "sizes": ("Sizes", _section("sizes", "Size and error", _sizes())),
    }
    kept = {a: part for a, part in parts.items() if part[1]}
    nav = "".join(f'<a href="#{anchor}">{title}</a>' for anchor, (title, _) in kept.items())
    return string.Template(_file("page.html")).substitute(
        css=_file("page.css"),
        js=_file("page.js"),
        nav=nav,
        body="\n".join(text for _, text in kept.values()),
    )


def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _section(anchor: str, title: str, figures: list[str]) -> str:
    if not any(figures):
        return ""
    return (
        f'<section aria-labelledby="{anchor}"><h2 id="{anchor}">{title}</h2>\n'
        f'<div class="charts">{"".join(figures)}</div></section>'
    )


def _summary(papers: list[Paper]) -> str:
    printed = [cell for paper in papers for cell in paper.printed()]
    claims = [claim for paper in papers for claim in paper.expected.result]
    beside = sum(paper.claims_measured() for paper in papers)
    not_run = sum(len(paper.not_run()) for paper in papers)
    recipes = sum(len(paper.recipes) for paper in papers)
    facts = [
        (
            f"{len(printed):,}",
            f"numbers of {len(papers)} papers and the slides recomputed from "
            f"the networks; {differing(printed)} differ, each explained",
        ),
        (
            f"{beside} of {len(claims)}",
            "printed error rates that a run of the paper's whole recipe stands "
            "beside, with what it departs from",
        ),
        (
            f"{not_run} of {recipes}",
            "recipes not trained here as the papers say; the tables have their cost",
        ),
    ]
    items = "".join(f"<li><b>{n}</b>{escape(text)}</li>" for n, text in facts)
    return (
        '<section aria-labelledby="summary"><h2 id="summary">In short</h2>'
        "<p>A number counts as measured only if this program measured it. It "
        "stands beside the paper's only if data, split and test views are the "
        "paper's and its whole recipe was run, as it is here; what that "
        f'departs from stands beside it.</p><ul class="facts">{items}</ul>'
        "</section>"
    )


def _curves() -> list[str]:
    return [
        charts.training(paper, group)
        for paper in reproductions.names()
        for group in groups(curves.read(paper))
    ]


def _sizes() -> list[str]:
    return [charts.networks()]


def _given(path: pathlib.Path) -> str:
    """A run's curve and its first layer, or the first layer of weights."""
    chart = ""
    if not path.is_file():
        run, history = curves.read_run(path)
        if history:
            curve = curves.of_run(run, history)
            state = f" The run is {run['status']} ({escape(path.name)})."
            chart = charts.training(run["paper"], [curve], state)
        else:
            chart = f"<p>{escape(path.name)}: no epoch has ended yet.</p>"
    weights = first_filters.weights_of(path)
    kernel = first_filters.first_kernel(weights) if weights else None
    if kernel is not None:
        chart += _filters(kernel, weights.name)
    return f"<div>{chart}</div>"


def _filters(kernel: np.ndarray, where: str) -> str:
    height, width, channels, filters = kernel.shape
    about = f"{filters} filters of {height}x{width}x{channels}, the first layer ({where})"
    return (
        f'<figure class="filters"><img src="{first_filters.picture(kernel)}" '
        f'alt="{escape(about)}"><figcaption>{escape(about)}. Grey is 0; each '
        "filter is scaled by itself.</figcaption></figure>"
    )
