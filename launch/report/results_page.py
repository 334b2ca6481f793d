"""results.md as text: what is proven, what is measured, what was not run."""

import pathlib
from collections import Counter

import tomli

import reproductions
from common.papers.expected import CLAIM_VERDICTS
from launch.report import fusion_records, results_slides
from launch.report.markdown import table
from launch.report.measurements import Measurement, cost, multiply_accumulates, training_macs
from launch.report.paper_results import Paper, differing, percent
from launch.report.questions import questions
from launch.sweep import sweep_records

COLUMNS = ["Network", "How", "Top-1 error here", "In the paper"]
DEPARTS = "Departs from what the paper states"
RATE = 1e13  # multiply-accumulates a second, to put a cost into hours

READING = """\
## How to read this

* A number counts as measured only if the program measured it here and wrote
  it into a paper's `reproduced.toml`. Nothing is filled in from literature.
* A number stands beside the paper's only if the data set, the split and the
  test views are the paper's and the whole recipe was run, as it is here. Where
  that recipe, or the precision of the run, departs from what the paper states,
  the row says so; what the paper leaves open is in its README. Every other run
  stands apart, under what was changed.
* A statement is *checked* if it holds; it *differs* where only a convention, a
  rounding or the release says otherwise; it is *wrong* where its own paper,
  slides or release refute it, *wrong elsewhere* where others than the authors
  said it. What could be tried here and was not is *not run*. What reading the
  slides' pictures left behind is no statement.
* Costs are multiply-accumulates (MAC): epochs x training images x 3 x MACs of
  one forward pass; hours are at 1e13 MAC a second, a round figure and no
  measurement.
* Errors are in percent: mean ± standard deviation over seeds, or Wilson's 95 %
  interval for the number of test images where there is one run.
* Structural numbers are the cells of the paper's tables and its comparisons of
  two networks. `python -m launch audit` recomputes each from the network, and
  fails if one differs without an explanation.
"""


def page(papers: dict[str, Paper]) -> str:
    """All of results.md; the same bytes for the same files."""
    parts = [
        "# Results\n\nWritten by `python -m launch report`; do not edit. "
        "`python -m launch report --html PAGE.html` makes a page of all this "
        "that sorts and filters.",
        _summary(list(papers.values())),
        questions.section(papers),
        *(section(paper) for paper in papers.values()),
        results_slides.section(papers),
        fusion_records.section(),
        sweep_records.section(),
        READING,
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def oracles() -> list[dict]:
    """The independent implementations of reproductions/oracles.toml."""
    file = pathlib.Path(reproductions.__file__).parent / "oracles.toml"
    return tomli.loads(file.read_text(encoding="utf-8"))["oracle"]


def _summary(papers: list[Paper]) -> str:
    rows = [row for paper in papers for row in _as_paper(paper)]
    others = sum(len(paper.others()) for paper in papers)
    parts = [
        _proven(papers),
        "**Trained here by a paper's whole recipe, beside its number**",
        table([*COLUMNS, DEPARTS], rows),
        *_published(papers),
        f"{others} more measurements are of changed or unpublished "
        "experiments; they stand in the papers' sections.",
        _not_run(papers),
    ]
    if _picture("networks.svg").exists():
        parts.append(
            "![Parameters, multiply-accumulates and the papers' errors of all "
            "networks](reproductions/networks.svg)\n\nThe papers' own numbers: "
            "area is parameters. Measured ones are in the table above."
        )
    head = ["Paper", "Variants", "Structural numbers", "Statements"]
    head += ["Error rates: beside a whole run"]
    parts.append(table(head, [_overview(paper) for paper in papers]))
    return "\n\n".join(parts)


def _picture(name: str) -> pathlib.Path:
    return reproductions.folder("ilsvrc2016").parent / name


def _proven(papers: list[Paper]) -> str:
    printed = [cell for paper in papers for cell in paper.printed()]
    verdicts = sum((paper.verdicts() for paper in papers), Counter())
    names = [v for p in papers for v in p.recipes]
    same = [v for one in oracles() for v in one["variants"] if v in names]
    golden = sum("golden" in one for one in oracles())
    return f"""\
**Proven, by computation that the tests repeat** (the largest networks with \
`pytest -m full`)

* Structure: {len(printed):,} numbers that {len(papers)} papers and the slides \
print are recomputed from the networks. {len(printed) - differing(printed):,} \
agree to the last digit printed, {differing(printed)} differ and each says why.
* Numerics: {len(set(same))} of the {len(names)} networks give the logits of \
independent implementations under the same weights ({golden} sets of golden \
logits, and keras.applications).
* Statements: of {sum(verdicts.values())} others, {verdicts["checked"]} hold; \
{verdicts["differs"]} differ by a convention, a rounding or in the release \
only; {verdicts["wrong"]} are wrong by their own paper, slides or release; \
{verdicts["wrong elsewhere"]} were said by others and are wrong; \
{verdicts["not run"]} could be tried here and were not; \
{verdicts["not checkable"]} cannot be checked here."""


def _as_paper(paper: Paper) -> list[list[str]]:
    return [
        [
            f"[{claim.variant}](#{paper.name})",
            f"trained, {_where(one)}",
            one.error("top1_error"),
            percent(claim.top1_error),
            paper.departures(one),
        ]
        for claim, one in paper.beside()
    ]


def _others(paper: Paper) -> list[list[str]]:
    return [
        [
            one.variant,
            _where(one),
            one.error("top1_error"),
            "prints none" if one.whole else "not comparable",
            paper.departures(one) if one.whole else "; ".join(one.changes),
        ]
        for one in paper.others()
    ]


def _where(one: Measurement) -> str:
    return f"{one.data}, {one.split}, {one.views}"


def _published(papers: list[Paper]) -> list[str]:
    """Members of fusions that have a variant's name: published weights."""
    alone = {
        (row["members"][0], row["data"], row["split"]): row
        for row in fusion_records.read()
        if row["rule"] == "alone"
    }
    rows = [
        [
            f"[{claim.variant}](#fusion)",
            f"{claim.data}, {claim.split}, {claim.views}",
            f"{100 * row['wrong1'] / row['n']:.2f} %",
            percent(claim.top1_error),
            f"{claim.source}; {claim.note}" if claim.note else claim.source,
            claim.selected or "not known",
        ]
        for paper in papers
        for claim in paper.expected.result
        if (row := alone.get((claim.variant, claim.data, claim.split)))
        and claim.variant in paper.recipes
    ]
    if not rows:
        return []
    head = ["Network", "Data", "Top-1 error here", "As published", "Source"]
    return [
        "**Published weights, tested again here**: no reproduction of a training",
        table([*head, "Selected"], rows),
    ]


def _not_run(papers: list[Paper]) -> str:
    missing = [(paper, v) for paper in papers for v in paper.not_run()]
    claims = [claim for paper in papers for claim in paper.expected.result]
    beside = sum(paper.claims_measured() for paper in papers)
    macs = sum(_macs(paper, variant) for paper, variant in missing)
    total = sum(len(paper.recipes) for paper in papers)
    return f"""\
**Not run**

* {len(missing)} of {total} recipes were not trained as a whole, and \
{len(claims) - beside} of {len(claims)} printed error rates have no \
measurement beside them. ImageNet was not at hand.
* All of them once would take {multiply_accumulates(macs)} \
(multiply-accumulates): {_time(macs)}. Each section has its share and the \
command."""


def _macs(paper: Paper, variant: str) -> float:
    recipe = paper.recipes[variant]
    return training_macs(recipe, paper.expected.macs[variant])


def _time(macs: float) -> str:
    hours = macs / RATE / 3600
    if hours < 48:
        short = f"{hours:.0f} hours" if hours >= 1 else "less than an hour"
        return f"{short} at 1e13 a second"
    return f"{hours / 24:,.0f} days at 1e13 a second"


def _overview(paper: Paper) -> list[str]:
    printed, verdicts = paper.printed(), paper.verdicts()
    claims = paper.expected.result
    return [
        f"[{paper.expected.title}](#{paper.name})",
        str(len(paper.recipes)),
        f"{len(printed)}, {differing(printed)} differ and are explained",
        _counted(verdicts) or "none",
        f"{paper.claims_measured()} of {len(claims)}",
    ]


def section(paper: Paper) -> str:
    """The paper's part: claim, checked, measured, not run and its cost."""
    about = paper.expected
    parts = [
        f'<a id="{paper.name}"></a>\n\n## {about.title}\n\n'
        f"{about.authors}. {about.venue}. <{about.url}>",
        f"* **Claim.** {_claim(paper)}\n"
        f"* **Checked.** {_checked(paper)}\n"
        f"* **Not run.** {_missing(paper)}\n"
        f"* **More.** {_links(paper)}",
    ]
    if paper.measured:
        head = [*COLUMNS, "Departs, or changed"]
        parts.append(table(head, _as_paper(paper) + _others(paper)))
    if paper.curves:
        folder = reproductions.folder(paper.name).name
        parts.append(f"![Training curves of the recorded runs](reproductions/{folder}/curves.svg)")
    return "\n\n".join(parts)


def _counted(verdicts: Counter) -> str:
    found = [verdict for verdict in CLAIM_VERDICTS if verdicts[verdict]]
    return ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in found)


def _claim(paper: Paper) -> str:
    claims = paper.expected.result
    if not claims:
        return "No error rate."
    first = claims[0]
    errors = [
        f"{error} % {name}"
        for error, name in ((first.top1_error, "top-1"), (first.top5_error, "top-5"))
        if error is not None
    ]
    return (
        f"{first.variant}: {' and '.join(errors)} error on {first.data}, "
        f"{first.split}, {first.views} ({first.source}), and "
        f"{len(claims) - 1} more error rates."
    )


def _checked(paper: Paper) -> str:
    printed = paper.printed()
    parts = [
        f"{len(printed)} structural numbers, of which {differing(printed)} differ and are explained"
    ]
    verdicts = paper.verdicts()
    if verdicts:
        parts.append(f"{verdicts.total()} other statements ({_counted(verdicts)})")
    found: dict[str, list[str]] = {}
    for one in oracles():
        for variant in one["variants"]:
            if variant in paper.recipes:
                found.setdefault(one["implementation"], []).append(variant)
    for implementation, variants in found.items():
        parts.append(f"logits of {', '.join(variants)} with {implementation}")
    return f"{'; '.join(parts)}."


def _missing(paper: Paper) -> str:
    missing = paper.not_run()
    if not missing:
        return "Nothing: every recipe was trained."
    macs = sum(_macs(paper, variant) for variant in missing)
    first = missing[0]
    price = cost(paper.recipes[first], paper.expected.macs[first])
    price += f" ({_time(_macs(paper, first))})"
    whole = f"{multiply_accumulates(macs)} in all ({_time(macs)})"
    text = (
        f"{len(missing)} of {len(paper.recipes)} recipes, {whole}; first "
        f"`python -m launch {first}`, {price}."
    )
    notes = [c.note for c in paper.expected.cost if c.variant == first]
    return f"{text} The paper's own cost: {notes[0]}." if notes else text


def _links(paper: Paper) -> str:
    folder = f"reproductions/{paper.name}"
    return (
        f"[every claim, table and run]({folder}/results.md), [where the "
        f"recipes leave the paper]({folder}/README.md#differences-and-gaps), "
        f"`python -m launch audit {paper.name}`."
    )
