"""results.md as text: what was reproduced, what is proven, what was not run."""

from collections import Counter

from common.papers.expected import CLAIM_VERDICTS, Result
from launch.report import fusion_records
from launch.report.markdown import table
from launch.report.measurements import Measurement, multiply_accumulates, time_at_rate
from launch.report.paper_page import as_printed
from launch.report.papers import Paper, count_differing, read_oracles

SHOWN = 8  # variants of a paper, in the list of all
FRONT_ROWS = 20  # of the project's README, which is to stay a page
READING = """\
## How to read this

* A number counts as measured only if the program measured it here and wrote
  it into a paper's `reproduced.toml`. Nothing is filled in from literature.
* A number stands beside the paper's only if the data set, the split and the
  test views are the paper's and the whole recipe was run, as it is here. Where
  that recipe, or the precision of the run, departs from what the paper states,
  the row says so; what the paper leaves open is in its README. Every other run
  stands apart, under the name of its setting.
* Errors are in percent: mean ± standard deviation over seeds, or Wilson's 95 %
  interval for the number of test images where there is one run. The verdict is
  "agrees" where the two numbers differ by no more than two runs on so many test
  images do by chance (95 %, Newcombe's method 10); else it is ours that is
  "lower" or "higher".
* A statement is *checked* if it holds; it *differs* where only a convention, a
  rounding or the release says otherwise; it is *wrong* where its own paper,
  slides or release refute it, *wrong elsewhere* where others than the authors
  said it. What could be tried here and was not is *not run*. What reading the
  slides' pictures left behind is no statement.
* Costs are multiply-accumulates (MAC): epochs x training images x 3 x MACs of
  one forward pass; hours are at 1e13 MAC a second, a round figure and no
  measurement.
* Structural numbers are the cells of the paper's tables and its comparisons of
  two networks. `python -m launch audit` recomputes each from the network, and
  fails if one differs without an explanation.
"""
PAGES = """\
## More pages

* A paper's own page, linked above: its every claim, table, measurement, run and sweep.
* [Questions](reproductions/questions.md): does each network learn, does depth hurt,
  do a network's parts help; answered from the recorded runs.
* [Settings](reproductions/settings.md): what was changed in the experiments that are
  no paper's.
* [Slides](reproductions/slides.md): every system and table of the slides.
* [ILSVRC2016](reproductions/ilsvrc2016/results.md): the leaderboard, and fusions by its
  rules.
* `python -m launch report --html PAGE.html` makes one page of all this that sorts and
  filters."""


def page(papers: dict[str, Paper]) -> str:
    """All of results.md; the same bytes for the same files."""
    every = list(papers.values())
    rows, departures = list_reproduced(every)
    parts = [
        "# Results\n\nWritten by `python -m launch report`; do not edit.",
        "What was reproduced: networks trained here by a paper's whole recipe, beside its number.",
        table([row for own in rows for row in own]),
        departures,
        _published(every),
        "## Every network",
        _overview(every),
        PAGES,
        _proven(every),
        _not_run(every),
        READING,
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def list_reproduced(papers: list[Paper]) -> tuple[list[list[dict[str, str]]], str]:
    """(each paper's whole runs beside printed numbers, the departures that they name)."""
    numbers: dict[str, int] = {}  # of the departures
    rows = []
    for paper in papers:
        rows.append([])
        for claim, one in paper.beside():
            stated = paper.departures(one.variant)
            found = sorted(numbers.setdefault(text, len(numbers) + 1) for text in stated)
            marks = [*(f"d{number}" for number in found), *one.changes]
            rows[-1].append(_compare(paper, claim, one) | {"Departs in": ", ".join(marks) or "-"})
    key = '<a id="departures"></a>Where these recipes depart from what their papers state:\n'
    lines = [f"* **d{number}** {text}" for text, number in numbers.items()]
    return rows, "\n".join([key, *lines]) if lines else ""


def list_papers(papers: dict[str, Paper]) -> str:
    """The table for the README of all papers: each network, its paper, and its variants."""
    rows = []
    for paper in papers.values():
        claims, names = paper.expected, [f"`{variant}`" for variant in paper.recipes]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        first, *others = claims.authors.split(", ")
        who = f"{first} et al." if others else first
        rows.append(
            {
                "Network": f"[{paper.network()}]({paper.name}/README.md)",
                "Paper": f"{who}: [{claims.title}]({claims.url}), {claims.venue}",
                "Variants": ", ".join(names[:SHOWN]) + more,
            }
        )
    return table(rows)


def front_table(papers: dict[str, Paper]) -> str:
    """The table for the project's README: each paper's first rows, about FRONT_ROWS in all."""
    rows = [own for own in list_reproduced(list(papers.values()))[0] if own]
    each = max(1, FRONT_ROWS // max(1, len(rows)))
    more = sum(map(len, rows)) - sum(len(own[:each]) for own in rows)
    return table([row for own in rows for row in own[:each]]) + (
        "\n\nThe verdict compares two runs on so many test images; d1, d2 ... are where a recipe "
        "departs\nfrom what its paper states: [results.md](results.md#departures)"
        f"{f', which has {more} rows more' if more else ''}."
    )


def _compare(paper: Paper, claim: Result, one: Measurement) -> dict[str, str]:
    name, which = _choose(claim)
    printed = getattr(claim, name)
    return {
        "Network": _network(paper, claim.variant),
        "Data": f"{one.data}, {one.split}",
        "Views": one.views,
        "Error here": one.error(name) + which,
        "In the paper": as_printed(printed) + which + ("" if claim.own else f" ({claim.source})"),
        "Verdict": one.compare(name, printed),
    }


def _choose(claim: Result) -> tuple[str, str]:
    """(the error of a claim that is compared, what is said behind it)."""
    return ("top1_error", "") if claim.top1_error is not None else ("top5_error", " top-5")


def _network(paper: Paper, shown: str) -> str:
    return f"[{shown}](reproductions/{paper.name}/results.md)"


def _published(papers: list[Paper]) -> str:
    """Members of fusions that are published weights of a variant, under a claim's protocol."""
    recorded = fusion_records.file().read()
    rows, sources = [], []
    for paper in papers:
        for claim in paper.expected.result:
            row = fusion_records.find_published(claim, recorded)
            if row is None or claim.variant not in paper.recipes:
                continue
            printed, which = _choose(claim)
            wrong = row.get("wrong5" if which else "wrong1")
            rows.append(
                {
                    "Network": _network(paper, claim.variant),
                    "Data": f"{claim.data}, {claim.split}",
                    "Views": claim.views,
                    "Error here": f"{100 * wrong / row['n']:.2f} %" + which,
                    "As published": as_printed(getattr(claim, printed)) + which,
                    "Selected": claim.selected or "not known",
                }
            )
            about = "; ".join(filter(None, (claim.source, claim.note)))
            sources.append(f"* {claim.variant}: {about}.")
    title = "## Published weights, tested again here: no reproduction of a training"
    return "\n\n".join([title, table(rows), "\n".join(sources)]) if rows else ""


def _overview(papers: list[Paper]) -> str:
    first, *others = CLAIM_VERDICTS
    heads = {first: f"Statements: {first.capitalize()}"} | {v: v.capitalize() for v in others}
    rows = []
    for paper in papers:
        printed, counts = paper.printed(), paper.verdicts()
        trained = len(paper.recipes) - len(paper.not_run())
        rows.append(
            {
                "Network": _network(paper, paper.network()),
                "Trained as a whole": f"{trained} of {len(paper.recipes)}",
                "Structural numbers": str(len(printed)),
                "Differ, explained": str(count_differing(printed)),
                **{head: str(counts[verdict]) for verdict, head in heads.items()},
                "Error rates measured": f"{paper.claims_measured()} of "
                f"{len(paper.expected.result)}",
            }
        )
    return table(rows)


def _proven(papers: list[Paper]) -> str:
    printed = [cell for paper in papers for cell in paper.printed()]
    verdicts = sum((paper.verdicts() for paper in papers), Counter())
    names = [v for p in papers for v in p.recipes]
    oracles = read_oracles()
    same = {v for one in oracles for v in one["variants"] if v in names}
    golden = sum("golden" in one for one in oracles)
    return f"""\
## Proven, by computation that the tests repeat

The largest networks with `pytest -m full`.

* Structure: {len(printed):,} numbers that {len(papers)} papers and the slides \
print are recomputed from the networks. {len(printed) - count_differing(printed):,} \
agree to the last digit printed, {count_differing(printed)} differ and each says why.
* Numerics: {len(same)} of the {len(names)} networks give the logits of \
independent implementations under the same weights ({golden} sets of golden \
logits, and keras.applications).
* Statements: of {sum(verdicts.values())} others, {verdicts["checked"]} hold; \
{verdicts["differs"]} differ by a convention, a rounding or in the release \
only; {verdicts["wrong"]} are wrong by their own paper, slides or release; \
{verdicts["wrong elsewhere"]} were said by others and are wrong; \
{verdicts["not run"]} could be tried here and were not; \
{verdicts["not checkable"]} cannot be checked here."""


def _not_run(papers: list[Paper]) -> str:
    missing = [(paper, v) for paper in papers for v in paper.not_run()]
    claims = [claim for paper in papers for claim in paper.expected.result]
    beside = sum(paper.claims_measured() for paper in papers)
    macs = sum(paper.macs(variant) for paper, variant in missing)
    others = sum(len(paper.others()) for paper in papers)
    return f"""\
## Not run

* {len(missing)} of {sum(len(paper.recipes) for paper in papers)} recipes were not \
trained as a whole, and {len(claims) - beside} of {len(claims)} printed error rates \
have no measurement beside them. ImageNet was not at hand.
* All of them once would take {multiply_accumulates(macs)} (multiply-accumulates): \
{time_at_rate(macs)}. Each paper's page has its share and the command.
* {others} more measurements are of changed or unpublished experiments; they stand on \
the papers' pages.

![Parameters, multiply-accumulates and the papers' errors of all \
networks](reproductions/networks.svg)

Area is parameters; the errors are the papers' own, or where a paper prints none those of releases \
and other people. Measured ones are in the first table."""
