"""One paper's claims and what was measured, in full: reproductions/<paper>/results.md."""

from collections import Counter

from common.papers.expected import CLAIM_VERDICTS, Expected, Result
from launch.report import sweep_records
from launch.report.experiments import Names, label, link
from launch.report.markdown import table
from launch.report.measurements import (
    Measurement,
    cost,
    multiply_accumulates,
    of_claim,
    time_at_rate,
)
from launch.report.papers import Paper, count_differing, read_oracles


def page(paper: Paper, names: Names) -> str:
    """The whole page; `names` are of the settings of changed runs."""
    about = paper.expected
    others = paper.others()
    as_paper = [one for one in others if one.whole]
    changed = [one for one in others if not one.whole]
    head = ["Statement", "Source", "Verdict", "Why"]
    statements = table(head, [[c.text, c.source, c.verdict, c.note] for c in about.claim])
    prints_none = "## Measured with the paper's recipe, where the paper has no such number"
    parts = [
        f"# {paper.network()}: claims and results\n\n"
        "Written by `python -m launch report`; do not edit.\n\n"
        f"*{about.title}*. {about.authors}. {about.venue}. <{about.url}>",
        f"* **Claim.** {_first_claim(paper)}\n"
        f"* **Checked.** {_checked(paper)}\n"
        f"* **Not run.** {_not_run(paper)}\n"
        "* **More.** [Where the recipes leave the paper](README.md#differences-and-gaps), "
        f"`python -m launch audit {paper.name}`, [all networks](../../results.md).",
        f"## The paper's error rates\n\n{_claims(paper)}",
        f"{prints_none}\n\n{_measured(paper, as_paper, names)}" if as_paper else "",
        "## Measured with changes (not the paper's experiment)\n\n"
        f"{_measured(paper, changed, names)}"
        if changed
        else "",
        f"## Runs\n\n{_runs(paper.measured)}" if paper.measured else "",
        "![Training curves of the recorded runs](curves.svg)" if paper.curves else "",
        sweep_records.section(paper.name),
        f"## Its structural tables\n\n{_tables(about)}" if about.table else "",
        f"## Its networks beside others\n\n{_ratios(about)}" if about.ratio else "",
        f"## Its other statements\n\n{statements}" if about.claim else "",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _first_claim(paper: Paper) -> str:
    if not paper.expected.result:
        return "No error rate."
    first, *more = paper.expected.result
    rates = {"top-1": first.top1_error, "top-5": first.top5_error}
    errors = " and ".join(f"{rate} % {name}" for name, rate in rates.items() if rate is not None)
    return (
        f"{first.variant}: {errors} error on {first.data}, {first.split}, {first.views} "
        f"({first.source}), and {len(more)} more error rates."
    )


def _checked(paper: Paper) -> str:
    printed, verdicts = paper.printed(), paper.verdicts()
    parts = [
        f"{len(printed)} structural numbers, of which {count_differing(printed)} differ "
        "and are explained"
    ]
    if verdicts:
        parts.append(f"{verdicts.total()} other statements ({count_verdicts(verdicts)})")
    same: dict[str, list[str]] = {}
    for oracle in read_oracles():
        for variant in oracle["variants"]:
            if variant in paper.recipes:
                same.setdefault(oracle["implementation"], []).append(variant)
    parts += [f"logits of {', '.join(variants)} with {other}" for other, variants in same.items()]
    return f"{'; '.join(parts)}."


def count_verdicts(verdicts: Counter) -> str:
    """Such as "3 checked, 1 not run"."""
    return ", ".join(f"{verdicts[v]} {v}" for v in CLAIM_VERDICTS if verdicts[v])


def _not_run(paper: Paper) -> str:
    missing = paper.not_run()
    if not missing:
        return "Nothing: every recipe was trained."
    macs = sum(map(paper.macs, missing))
    first = missing[0]
    price = f"{multiply_accumulates(paper.macs(first))} ({time_at_rate(paper.macs(first))})"
    text = (
        f"{len(missing)} of {len(paper.recipes)} recipes, {multiply_accumulates(macs)} in all "
        f"({time_at_rate(macs)}); first `python -m launch {first}`, {price}."
    )
    notes = [c.note for c in paper.expected.cost if c.variant == first]
    return f"{text} The paper's own cost: {notes[0]}." if notes else text


def _claims(paper: Paper) -> str:
    head = ["Variant", "Data, split", "Views", "Paper: top-1", "top-5"]
    head += ["Source", "Measured: top-1", "top-5"]
    if paper.beside():
        head.append("Departs from what the paper states")
    rows = []
    for claim in paper.expected.result:
        notes = [claim.note, claim.selected and f"selected {claim.selected}"]
        more = "; ".join(filter(None, notes))
        what = [claim.variant, f"{claim.data}, {claim.split}", claim.views]
        what += [as_printed(claim.top1_error), as_printed(claim.top5_error)]
        what.append(f"{claim.source} ({more})" if more else claim.source)
        runs = of_claim(claim, paper.measured)
        for one in runs:
            errors = [one.error("top1_error"), one.error("top5_error")]
            rows.append([*what, *errors, paper.departures(one)])
        if not runs:
            rest = [""] * (len(head) - len(what) - 1)
            rows.append([*what, why_not(paper, claim), *rest])
    return table(head, rows)


def as_printed(value: float | None) -> str:
    """A number of a paper, with the digits that it printed."""
    return "" if value is None else f"{value} %"


def why_not(paper: Paper, claim: Result) -> str:
    """Why there is no measurement beside a claim, and what it costs."""
    recipe = paper.recipes.get(claim.variant)
    if recipe is None:
        return "not run: no recipe for it here"
    if claim.data != recipe.data:
        return f"not run: the recipe is for {recipe.data}"
    if claim.views not in recipe.views:
        return "not run: a run's own views are others; see `evaluate`"
    price = cost(recipe, paper.expected.macs[claim.variant])
    return f"not run: {price}, `python -m launch {claim.variant}`"


def _measured(paper: Paper, found: list[Measurement], names: Names) -> str:
    whole = found[0].whole
    head = ["Variant", "Data, split", "Views", "Top-1", "Top-5"]
    head.append("Departs from what the paper states" if whole else "Setting")
    rows = [
        [
            one.variant,
            f"{one.data}, {one.split}",
            one.views,
            one.error("top1_error"),
            one.error("top5_error"),
            paper.departures(one) if whole else link(label(one, names), names, "../settings.md"),
        ]
        for one in found
    ]
    return table(head, rows)


def _runs(found: list[Measurement]) -> str:
    head = ["Command", "Seed", "Data read", "Finished", "Devices", "Images/s", "Commit"]
    rows = {
        (
            f"`{row['command']}`",
            str(row["seed"]),
            row["read"],
            row["finished"],
            row["devices"],
            f"{row['images_per_second']:,.1f}",
            row["commit"],
        ): None
        for one in found
        for row in one.rows
    }
    return table(head, [list(row) for row in rows])


def _tables(expected: Expected) -> str:
    head = ["Table", "Variant", "Source", "Cells", "Differ, explained"]
    rows = [
        [
            f"{one.title}: {one.note}" if one.note else one.title,
            one.variant,
            one.source,
            str(len(one.cell)),
            str(count_differing(one.cell)),
        ]
        for one in expected.table
    ]
    return table(head, rows)


def _ratios(expected: Expected) -> str:
    head = ["Claim", "Source", "Ratio", "Paper", "Verdict"]
    rows = [
        [
            one.text,
            one.source,
            f"{one.quantity} of {one.of} / {one.to}",
            one.paper,
            f"differs: {one.explanation}" if one.explanation else "agrees",
        ]
        for one in expected.ratio
    ]
    return table(head, rows)
