"""Tables of the report's page: rows as HTML, sorted and filtered by its script.

What to sort by stands in `data-value` where it is a number.
"""

from collections.abc import Iterable
from html import escape

from launch.report.experiments import label, name_settings
from launch.report.measurements import cost, of_claim, status
from launch.report.paper_page import why_not
from launch.report.papers import Paper
from launch.report.questions import question_spec
from launch.report.questions.questions import make_rows

Cell = str | tuple[str, float]  # text, or text and what to sort it by
Papers = dict[str, Paper]
# How the cells below a heading look, and which headings have a field to choose a value.
NUMBERS = {"Parameters", "MACs an image", "Full recipe", "Top-1", "Top-5", "Printed"}
LONG = {"Measured here, top-1", "Source", "Changed", "Commands", "Explanation"}
LONG |= {"Table and source", "Setting", "Difference", "Error"}
JUDGED = (
    *("Row or claim", "Printed", "Verdict", "Explanation"),
    *("Column", "Of", "Table and source"),
)
CHOOSE = {"Data", "Data, split", "Views", "Paper", "Verdict"}


def make_parts(papers: Papers) -> list[str]:
    """A section for each question, and of all that was measured, is there, printed and checked."""
    names = name_settings(papers)
    return [
        *(
            part(one.name, one.title, escape(one.text), make_rows(one, papers, names))
            for one in question_spec.read()
        ),
        part(
            "measured",
            "Measured here",
            "Mean and standard deviation over seeds, or Wilson's 95 % interval of one run. Beside "
            "a paper's number stands only a run of its whole recipe, with what that departs from.",
            _list_measured(papers, names),
        ),
        part(
            "variants",
            "Networks",
            "Parameters and multiply-accumulates (MACs) of the path that is tested; the cost is "
            "of one whole training.",
            _list_variants(papers),
        ),
        part(
            "errors",
            "The papers' error rates",
            "As printed, in percent. Other people's systems are among them.",
            _list_claims(papers),
        ),
        part(
            "audit",
            "The papers' numbers, checked",
            "Each number of the papers' and the slides' tables beside what the network has: "
            "<code>python -m launch audit</code> computes it anew, and the tests fail if a "
            "verdict does not hold. Then the statements.",
            (row for paper in papers.values() for row in _judge(paper)),
        ),
    ]


def part(anchor: str, title: str, about: str, found: Iterable[dict[str, Cell]]) -> str:
    """A section with a table, its fields and a line about it, which is HTML; "" without rows."""
    rows = list(found)
    if not rows:
        return ""
    fields = "".join(
        f'<label>{escape(name)}<select data-column="{number}">'
        '<option value="">all</option></select></label>'
        for number, name in enumerate(rows[0])
        if name in CHOOSE
    )
    heads = "".join(f'<th scope="col"{_look(name)}>{escape(name)}</th>' for name in rows[0])
    body = "\n".join(
        f"<tr>{''.join(_cell(name, cell) for name, cell in row.items())}</tr>" for row in rows
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
    text = text.replace("`", "")  # Markdown's
    sort = "" if value is None else f' data-value="{value:.12g}"'
    look = f' class="{text.split()[0]}"' if name == "Verdict" and text else _look(name)
    if name in ("Network", "Row or claim"):  # the row's own heading
        shown = escape(text).replace("_", "_<wbr>")
        return f'<th scope="row"{look}{sort}>{shown}</th>'
    return f"<td{look}{sort}>{escape(text)}</td>"


def _number(value: float | None, form: str = "{:,}") -> Cell:
    return "" if value is None else (form.format(value), value)


def _list_variants(papers: Papers) -> list[dict[str, Cell]]:
    """Every network: its size, its cost, what became of it."""
    return [
        {
            "Network": variant,
            "Parameters": _number(paper.expected.parameters[variant]),
            "MACs an image": _number(paper.expected.macs[variant]),
            "Full recipe": (cost(recipe, paper.expected.macs[variant]), paper.macs(variant)),
            "Top-1 error measured here": status(
                variant, recipe.data, paper.expected, paper.measured
            ),
            "Data": recipe.data,
            "Paper": paper.name,
        }
        for paper in papers.values()
        for variant, recipe in paper.recipes.items()
    ]


def _list_claims(papers: Papers) -> Iterable[dict[str, Cell]]:
    """The error rates that the papers print, measured or why not."""
    for paper in papers.values():
        for claim in paper.expected.result:
            runs = of_claim(claim, paper.measured)
            here = "; ".join(", ".join([one.error("top1_error"), *one.changes]) for one in runs)
            yield {
                "Network": claim.variant,
                "Top-1": _number(claim.top1_error, "{} %"),
                "Top-5": _number(claim.top5_error, "{} %"),
                "Measured here, top-1": here or why_not(paper, claim),
                "Data, split": f"{claim.data}, {claim.split}",
                "Views": claim.views,
                "Paper": paper.name,
                "Source": ". ".join(filter(None, (claim.source, claim.note))),
            }


def _list_measured(papers: Papers, names) -> Iterable[dict[str, Cell]]:
    """All that was measured here, with what was changed."""
    for paper in papers.values():
        for one in paper.measured:
            whole = (
                f"the paper's recipe; departs in: {paper.say_departures(one)}" if one.whole else ""
            )
            top5 = one.error("top5_error")
            yield {
                "Network": one.variant,
                "Top-1 error": (one.error("top1_error"), one.mean("top1_error")),
                "Setting": label(one, names),
                "Changed": whole or "; ".join(one.changes),
                "Data, split": f"{one.data}, {one.split}",
                "Views": one.views,
                "Top-5 error": (top5, one.mean("top5_error")) if top5 else "",
                "Paper": paper.name,
                "Commands": "; ".join(dict.fromkeys(row["command"] for row in one.rows)),
            }


def _judge(paper: Paper) -> Iterable[dict[str, Cell]]:
    """The structural numbers and other statements, with their verdicts."""
    rows = []
    for table in paper.expected.table:
        source = f"{table.title} ({table.source})"
        for cell in table.cell:
            place = cell.column, table.variant, source
            rows.append((cell.row, cell.paper, *_agree(cell.explanation), *place))
    for one in paper.expected.ratio:
        place = one.quantity, f"{one.of} / {one.to}", one.source
        rows.append((one.text, one.paper, *_agree(one.explanation), *place))
    for claim in paper.expected.claim:
        rows.append((claim.text, "", claim.verdict, claim.note, "statement", "", claim.source))
    for row in rows:
        yield dict(zip(JUDGED, row, strict=True)) | {"Paper": paper.name}


def _agree(explanation: str | None) -> tuple[str, str]:
    """The verdict on a number, and why."""
    return ("explained", explanation) if explanation else ("agrees", "")
