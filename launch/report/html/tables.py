"""Tables of the report's page: rows as HTML, sorted and filtered by its script.

What to sort by stands in `data-value` where it is a number.
"""

import functools
from collections.abc import Callable, Iterable
from html import escape

from launch.report.experiments import label, name_settings
from launch.report.measurements import cost, of_claim, status
from launch.report.paper_page import why_not
from launch.report.papers import Paper
from launch.report.questions.question_spec import Question
from launch.report.questions.question_spec import read as read_questions
from launch.report.questions.question_tables import make_table

Cell = str | tuple[str, float]  # text, or text and what to sort it by
Papers = dict[str, Paper]
# How the cells below a heading look, and which headings have a field to choose a value.
NUMBERS = {"Parameters", "MACs an image", "Full recipe", "Top-1", "Top-5", "Printed"}
LONG = {"Measured here, top-1", "Source", "Changed", "Commands", "Explanation"}
LONG |= {"Table and source", "Setting", "Difference", "Error"}
CHOOSE = {"Data", "Data, split", "Views", "Paper", "Verdict"}


def part(anchor: str, title: str, about: str, head: list[str], rows: Iterable[list[Cell]]) -> str:
    """A section with a table, its fields and a line about it, which is HTML."""
    fields = "".join(
        f'<label>{escape(name)}<select data-column="{number}">'
        '<option value="">all</option></select></label>'
        for number, name in enumerate(head)
        if name in CHOOSE
    )
    heads = "".join(f'<th scope="col"{_look(name)}>{escape(name)}</th>' for name in head)
    body = "\n".join(
        f"<tr>{''.join(_cell(*pair) for pair in zip(head, row, strict=True))}</tr>" for row in rows
    )
    return (
        f'<section class="part" aria-labelledby="{anchor}">\n'
        f'<h2 id="{anchor}">{escape(title)}</h2>\n<p>{about}</p>\n'
        '<div class="tools" hidden><label>Rows with the words'
        f'<input type="search"></label>{fields}<output></output></div>\n'
        f'<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{escape(title)}">\n<table>\n<thead><tr>{heads}</tr>'
        f"</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n</section>"
    )


def _look(name: str) -> str:
    look = "number" if name in NUMBERS else "long" if name in LONG else ""
    return f' class="{look}"' if look else ""


def _cell(name: str, cell: Cell) -> str:
    text, value = (cell, None) if isinstance(cell, str) else cell
    sort = "" if value is None else f' data-value="{value:.12g}"'
    look = f' class="{text.split()[0]}"' if name == "Verdict" and text else _look(name)
    if name in ("Network", "Row or claim"):  # the row's own heading
        shown = escape(text).replace("_", "_<wbr>")
        return f'<th scope="row"{look}{sort}>{shown}</th>'
    return f"<td{look}{sort}>{escape(text)}</td>"


def list_variants(papers: Papers) -> str:
    """Every network: its size, its cost, what became of it."""
    head = ["Network", "Parameters", "MACs an image", "Full recipe", "Top-1 error measured here"]
    rows = [
        [
            variant,
            _number(paper.expected.parameters[variant]),
            _number(paper.expected.macs[variant]),
            (cost(recipe, paper.expected.macs[variant]), paper.macs(variant)),
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
    return part("variants", "Networks", about, [*head, "Data", "Paper"], rows)


def _number(value: float | None, form: str = "{:,}") -> Cell:
    return "" if value is None else (form.format(value), value)


def list_claims(papers: Papers) -> str:
    """The error rates that the papers print, measured or why not."""
    head = ["Network", "Top-1", "Top-5", "Measured here, top-1", "Data, split", "Views", "Paper"]
    rows = []
    for paper in papers.values():
        for claim in paper.expected.result:
            runs = of_claim(claim, paper.measured)
            here = "; ".join(", ".join([one.error("top1_error"), *one.changes]) for one in runs)
            rows.append(
                [
                    claim.variant,
                    _number(claim.top1_error, "{} %"),
                    _number(claim.top5_error, "{} %"),
                    here or why_not(paper, claim).replace("`", ""),  # Markdown's
                    f"{claim.data}, {claim.split}",
                    claim.views,
                    paper.name,
                    ". ".join(filter(None, (claim.source, claim.note))),
                ]
            )
    about = "As printed, in percent. Other people's systems are among them."
    return part("errors", "The papers' error rates", about, [*head, "Source"], rows)


def list_measured(papers: Papers) -> str:
    """All that was measured here, with what was changed."""
    head = ["Network", "Top-1 error", "Setting", "Changed", "Data, split", "Views"]
    names = name_settings(papers)
    rows = [
        [
            one.variant,
            (one.error("top1_error"), one.mean("top1_error")),
            label(one, names),
            f"the paper's recipe; departs in: {paper.departures(one)}"
            if one.whole
            else "; ".join(one.changes),
            f"{one.data}, {one.split}",
            one.views,
            (one.error("top5_error"), one.mean("top5_error")) if one.error("top5_error") else "",
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
    head += ["Top-5 error", "Paper", "Commands"]
    return part("measured", "Measured here", about, head, rows)


def list_numbers(papers: Papers) -> str:
    """The structural numbers and other statements, with their verdicts."""
    head = ["Row or claim", "Printed", "Verdict", "Explanation", "Column", "Of"]
    about = (
        "Each number of the papers' and the slides' tables beside what the "
        "network has: <code>python -m launch audit</code> computes it anew, "
        "and the tests fail if a verdict does not hold. Then the statements."
    )
    rows = (row for paper in papers.values() for row in _judge(paper))
    head += ["Table and source", "Paper"]
    return part("audit", "The papers' numbers, checked", about, head, rows)


def _judge(paper: Paper) -> Iterable[list[Cell]]:
    def verdict(explanation: str | None) -> list[Cell]:
        return ["explained" if explanation else "agrees", explanation or ""]

    for table in paper.expected.table:
        end = [table.variant, f"{table.title} ({table.source})", paper.name]
        for cell in table.cell:
            yield [cell.row, cell.paper, *verdict(cell.explanation), cell.column, *end]
    for ratio in paper.expected.ratio:
        end = [f"{ratio.of} / {ratio.to}", ratio.source, paper.name]
        yield [ratio.text, ratio.paper, *verdict(ratio.explanation), ratio.quantity, *end]
    for claim in paper.expected.claim:
        end = ["", claim.source, paper.name]
        yield [claim.text, "", claim.verdict, claim.note, "statement", *end]


def answer(question: Question, papers: Papers) -> str:
    """A question's table; empty if the papers have none of its runs."""
    head, rows = make_table(question, papers, name_settings(papers))
    plain = [[cell.replace("`", "") for cell in row] for row in rows]
    if not rows:
        return ""
    return part(question.name, question.title, escape(question.text), head, plain)


def all_parts() -> list[tuple[str, str, Callable[[Papers], str]]]:
    """(anchor, name in the menu, what makes it) of every table."""
    return [
        *(
            (one.name, one.name.replace("_", " ").capitalize(), functools.partial(answer, one))
            for one in read_questions()
        ),
        ("measured", "Measured", list_measured),
        ("variants", "Networks", list_variants),
        ("errors", "Papers' errors", list_claims),
        ("audit", "Checked numbers", list_numbers),
    ]
