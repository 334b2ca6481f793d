"""`python -m launch report --html`: all results as one page, without network.

Style and script lie beside this file; nothing is loaded from anywhere. The
pictures are those of the other pages.
"""

import base64
import pathlib
import re
import string
from html import escape

from launch.report import curves
from launch.report.figures import figures, overlay, training_curves
from launch.report.html import first_filters, tables
from launch.report.papers import Paper, count_differing, read_papers
from launch.terminal.display import epochs

FOLDER = pathlib.Path(__file__).parent


def page(given: list[str]) -> str:
    """The whole page.

    Args:
        given: Folders of runs, which may be under way, or of sweeps, and files of weights.

    Raises:
        UsageError: if one is neither.
        RunError: if one is damaged.
    """
    paths = [pathlib.Path(name).expanduser() for name in given]
    folders = overlay.find_runs(paths)
    over = _overlay(folders) if len(folders) > 1 else []
    runs = [_run(path) for path in paths if path in folders or path.is_file()]
    papers = read_papers()
    pictures = [
        _figure(one.text(), one.title, escape(one.title)) for one in figures.pictures(papers)
    ]
    sections = [
        _section("over", "Runs over each other", over),
        _section("runs", "Runs given", runs),
        _summary(list(papers.values())),
        *tables.make_parts(papers),
        _section("pictures", "Pictures", pictures),
    ]
    body = "\n".join(filter(None, sections))
    headings = re.findall(r'<h2 id="(.*?)">(.*?)</h2>', body)  # the menu calls each part so
    files = {name: (FOLDER / f"page.{name}").read_text() for name in ("html", "css", "js")}
    return string.Template(files["html"]).substitute(
        css=files["css"],
        js=files["js"],
        nav="".join(f'<a href="#{anchor}">{title}</a>' for anchor, title in headings),
        body=body,
    )


def _section(anchor: str, title: str, inside: list[str]) -> str:
    if not inside:
        return ""
    return (
        f'<section aria-labelledby="{anchor}"><h2 id="{anchor}">{title}</h2>\n'
        f'<div class="charts">{"".join(inside)}</div></section>'
    )


def _figure(svg: str, title: str, caption: str) -> str:
    """A picture within the page; `caption` is HTML.

    Small ones are drawn larger; on a phone a wide one scrolls, so that it can be read.
    """
    data = base64.b64encode(svg.encode()).decode()
    width = float(re.search(r'width="([\d.]+)pt"', svg)[1])
    return (
        f'<figure style="width:{max(360, width):g}pt"><img style="min-width:{0.85 * width:g}pt" '
        f'src="data:image/svg+xml;base64,{data}" alt="{escape(title)}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _summary(papers: list[Paper]) -> str:
    printed = [cell for paper in papers for cell in paper.printed()]
    claims = [claim for paper in papers for claim in paper.expected.result]
    beside = sum(paper.claims_measured() for paper in papers)
    not_run = sum(len(paper.not_run()) for paper in papers)
    recipes = sum(len(paper.recipes) for paper in papers)
    facts = {
        f"{len(printed):,}": f"numbers of {len(papers)} papers and the slides recomputed from "
        f"the networks; {count_differing(printed)} differ, each explained",
        f"{beside} of {len(claims)}": "printed error rates that a run of the paper's whole recipe "
        "stands beside, with what it departs from",
        f"{not_run} of {recipes}": "recipes not trained here as the papers say; the tables have "
        "their cost",
    }
    items = "".join(f"<li><b>{n}</b>{escape(text)}</li>" for n, text in facts.items())
    return (
        '<section aria-labelledby="summary"><h2 id="summary">In short</h2>'
        "<p>A number counts as measured only if this program measured it. It "
        "stands beside the paper's only if data, split and test views are the "
        "paper's and its whole recipe was run, as it is here; what that "
        f'departs from stands beside it.</p><ul class="facts">{items}</ul>'
        "</section>"
    )


def _overlay(folders: list[pathlib.Path]) -> list[str]:
    """The runs over each other, a picture each of loss and error."""
    panels = overlay.show(folders)
    shown = len(panels[0]["runs"]) if panels else 0
    said = f"{shown} runs, with the last value."
    if shown < len(folders):
        said += f" In {len(folders) - shown} more no epoch has ended yet."
    return [
        _figure(figures.draw_svg(overlay.draw, [one]), f"{one['axis']} of {one['title']}", said)
        for one in panels
    ]


def _run(path: pathlib.Path) -> str:
    """A run's curve and its first layer, or the first layer of weights."""
    chart = "" if path.is_file() else _chart(path)
    weights = first_filters.weights_of(path)
    kernel = first_filters.first_kernel(weights) if weights else None
    if kernel is not None:
        size = "{3} filters of {0}x{1}x{2}".format(*kernel.shape)
        about = escape(f"{size}, the first layer ({weights.name})")
        chart += (
            f'<figure class="filters"><img src="{first_filters.picture(kernel)}" '
            f'alt="{about}"><figcaption>{about}. Grey is 0; each filter is scaled by itself.'
            "</figcaption></figure>"
        )
    return f"<div>{chart}</div>"


def _chart(folder: pathlib.Path) -> str:
    run, history = curves.read_run(folder)
    if not history:
        return f"<p>{escape(folder.name)}: no epoch has ended yet.</p>"
    curve = curves.of_run(run, history)
    panel = training_curves.make_panel(run["paper"], [curve])
    said = "; ".join(
        [
            f"seed {curve.seed}: {curve.test_error[-1]:.2f} % after {len(curve.test_error)} of "
            f"{epochs(curve.total)}",
            *(f"the paper: {error:g} %" for error in panel["paper"]),
        ]
    )
    svg, title = figures.draw_svg(training_curves.draw, [panel]), panel["title"]
    caption = f"<b>{escape(folder.name)}</b>, {escape(said)}. The run is {run['status']}."
    return _figure(svg, f"Training curves: {title}", caption)
