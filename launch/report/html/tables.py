"""Tables of the report's page: rows as HTML, sorted and filtered by its script.

What to sort by stands in `data-value` where it is a number.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from html import escape

from launch.report.experiments import label, name_settings
from launch.report.measurements import Measurement, cost, of_claim, status
from launch.report.paper_page import why_not
from launch.report.papers import Paper
from launch.report.questions.question_spec import Question
from launch.report.questions.question_spec import read as read_questions
from launch.report.questions.question_tables import table_of

Cell = str | tuple[str, float]  # text, or text and what to sort it by


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """A column's heading and how its cells look.

    Attributes:
        look: "number", "long", or a plain "".
        choose: Whether a field above the table offers its values.
    """

    name: str
    look: str = ""
    choose: bool = False


def part(
    anchor: str, title: str, about: str, columns: list[Column], rows: Iterable[list[Cell]]
) -> str:
    """A section with a table, its fields and a line about it."""
    rows = list(rows)
    fields = "".join(
        f'<label>{escape(column.name)}<select data-column="{number}">'
        '<option value="">all</option></select></label>'
        for number, column in enumerate(columns)
        if column.choose
    )
    head = "".join(f'<th scope="col"{_class(c.look)}>{escape(c.name)}</th>' for c in columns)
    body = "\n".join(_row(columns, row) for row in rows)
    return (
        f'<section class="part" aria-labelledby="{anchor}">\n'
        f'<h2 id="{anchor}">{escape(title)}</h2>\n<p>{about}</p>\n'
        '<div class="tools" hidden><label>Rows with the words'
        f'<input type="search"></label>{fields}<output></output></div>\n'
        f'<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{escape(title)}">\n<table>\n<thead><tr>{head}</tr>'
        f"</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n</section>"
    )


def _class(look: str) -> str:
    return f' class="{look}"' if look else ""


def _row(columns: list[Column], row: list[Cell]) -> str:
    cells = []
    for number, (column, cell) in enumerate(zip(columns, row, strict=True)):
        text, value = (cell, None) if isinstance(cell, str) else cell
        sort = "" if value is None else f' data-value="{value:.12g}"'
        look = column.look
        if column.name == "Verdict":
            look = text.split()[0]
        tag = "td" if number else "th"
        scope = "" if number else ' scope="row"'
        shown = escape(text)
        if not number:
            shown = shown.replace("_", "_<wbr>")
        cells.append(f"<{tag}{scope}{_class(look)}{sort}>{shown}</{tag}>")
    return f"<tr>{''.join(cells)}</tr>"


def variants(papers: dict[str, Paper]) -> str:
    """Every network: its size, its cost, what became of it."""
    columns = [
        Column(name="Network"),
        Column(name="Parameters", look="number"),
        Column(name="MACs an image", look="number"),
        Column(name="Full recipe", look="number"),
        Column(name="Top-1 error measured here"),
        Column(name="Data", choose=True),
        Column(name="Paper", choose=True),
    ]
    rows = [
        [
            variant,
            _number(paper.expected.parameters[variant]),
            _number(paper.expected.macs[variant]),
            _cost(paper, variant),
            status(variant, paper.expected, paper.measured),
            recipe.data,
            paper.name,
        ]
        for paper in papers.values()
        for variant, recipe in paper.recipes.items()
    ]
    about = (
        "Parameters and multiply-accumulates (MACs) of the path that is "
        "tested; the cost is of one whole training."
    )
    return part("variants", "Networks", about, columns, rows)


def _number(value: float, form: str = "{:,}") -> Cell:
    return form.format(value), value


def _cost(paper: Paper, variant: str) -> Cell:
    recipe, macs = paper.recipes[variant], paper.expected.macs[variant]
    return cost(recipe, macs), paper.macs(variant)


def errors(papers: dict[str, Paper]) -> str:
    """The error rates that the papers print, measured or why not."""
    columns = [
        Column(name="Network"),
        Column(name="Top-1", look="number"),
        Column(name="Top-5", look="number"),
        Column(name="Measured here, top-1", look="long"),
        Column(name="Data, split", choose=True),
        Column(name="Views", choose=True),
        Column(name="Paper", choose=True),
        Column(name="Source", look="long"),
    ]
    rows = []
    for paper in papers.values():
        for claim in paper.expected.result:
            here = "; ".join(
                ", ".join([one.error("top1_error"), *one.changes])
                for one in of_claim(claim, paper.measured)
            ) or why_not(paper, claim)
            printed = [_percent(claim.top1_error), _percent(claim.top5_error)]
            where = [f"{claim.data}, {claim.split}", claim.views, paper.name]
            source = ". ".join(filter(None, (claim.source, claim.note)))
            here = here.replace("`", "")  # Markdown's
            rows.append([claim.variant, *printed, here, *where, source])
    about = "As printed, in percent. Other people's systems are among them."
    return part("errors", "The papers' error rates", about, columns, rows)


def _percent(value: float | None) -> Cell:
    return "" if value is None else _number(value, "{} %")


def measured(papers: dict[str, Paper]) -> str:
    """All that was measured here, with what was changed."""
    columns = [
        Column(name="Network"),
        Column(name="Top-1 error"),
        Column(name="Setting"),
        Column(name="Changed", look="long"),
        Column(name="Data, split"),
        Column(name="Views"),
        Column(name="Top-5 error"),
        Column(name="Paper", choose=True),
        Column(name="Commands", look="long"),
    ]
    names = name_settings(papers)
    rows = [
        [
            one.variant,
            _measured(one.error("top1_error"), one.mean("top1_error")),
            label(one, names),
            _changed(paper, one),
            f"{one.data}, {one.split}",
            one.views,
            _measured(one.error("top5_error"), one.mean("top5_error")),
            paper.name,
            "; ".join(dict.fromkeys(row["command"] for row in one.rows)),
        ]
        for paper in papers.values()
        for one in paper.measured
    ]
    about = (
        "Mean and standard deviation over seeds, or Wilson's 95 % interval of "
        "one run. Beside a paper's number stands only a run of its whole "
        "recipe, with what that departs from."
    )
    return part("measured", "Measured here", about, columns, rows)


def _changed(paper: Paper, one: Measurement) -> str:
    if not one.whole:
        return "; ".join(one.changes)
    return f"the paper's recipe; departs in: {paper.departures(one)}"


def _measured(text: str, mean: float) -> Cell:
    return (text, mean) if text else ""


def audit(papers: dict[str, Paper]) -> str:
    """The structural numbers and other statements, with their verdicts."""
    columns = [
        Column(name="Row or claim"),
        Column(name="Printed", look="number"),
        Column(name="Verdict", choose=True),
        Column(name="Explanation", look="long"),
        Column(name="Column"),
        Column(name="Network"),
        Column(name="Table and source", look="long"),
        Column(name="Paper", choose=True),
    ]
    rows = [row for paper in papers.values() for row in _audited(paper)]
    about = (
        "Each number of the papers' and the slides' tables beside what the "
        "network has: <code>python -m launch audit</code> computes it anew, "
        "and the tests fail if a verdict does not hold. Then the statements."
    )
    return part("audit", "The papers' numbers, checked", about, columns, rows)


def _audited(paper: Paper) -> Iterable[list[Cell]]:
    def verdict(explanation: str | None) -> list[Cell]:
        return ["explained" if explanation else "agrees", explanation or ""]

    for table in paper.expected.table:
        where = f"{table.title} ({table.source})"
        end = [table.variant, where, paper.name]
        for cell in table.cell:
            found = [cell.paper, *verdict(cell.explanation), cell.column]
            yield [cell.row, *found, *end]
    for ratio in paper.expected.ratio:
        found = [ratio.paper, *verdict(ratio.explanation), ratio.quantity]
        end = [f"{ratio.of} / {ratio.to}", ratio.source, paper.name]
        yield [ratio.text, *found, *end]
    for claim in paper.expected.claim:
        found = ["", claim.verdict, claim.note, "statement"]
        yield [claim.text, *found, "", claim.source, paper.name]


def question(asked: Question, papers: dict[str, Paper]) -> str:
    """A question's table; empty if the papers have none of its runs."""
    head, rows = table_of(asked, papers, name_settings(papers))
    if not rows:
        return ""
    long = ("Setting", "Difference", "Error")
    columns = [Column(name=name, look="long" if name in long else "") for name in head]
    plain = [[cell.replace("`", "") for cell in row] for row in rows]
    about = escape(asked.text)
    return part(asked.name, asked.title, about, columns, plain)


def all_parts() -> list[tuple[str, str, Callable[[dict[str, Paper]], str]]]:
    """(anchor, name in the menu, what makes it) of every table."""
    return [
        *((one.name, one.short(), functools.partial(question, one)) for one in read_questions()),
        ("measured", "Measured", measured),
        ("variants", "Networks", variants),
        ("errors", "Papers' errors", errors),
        ("audit", "Checked numbers", audit),
    ]
