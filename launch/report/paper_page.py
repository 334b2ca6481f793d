"""One paper's claims and what was measured, in full: reproductions/<paper>/results.md."""

from common.papers.expected import CLAIM_VERDICTS, Result
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

DEPARTS = "Departs from what the paper states"


def page(paper: Paper, names: Names) -> str:
    """The whole page; `names` are of the settings of changed runs."""
    about = paper.expected
    head = (
        f"# {paper.network()}: claims and results\n\n"
        "Written by `python -m launch report`; do not edit.\n\n"
        f"*{about.title}*. {about.authors}. {about.venue}. <{about.url}>\n\n"
        f"* **Claim.** {_first_claim(paper)}\n"
        f"* **Checked.** {_checked(paper)}\n"
        f"* **Not run.** {_not_run(paper)}\n"
        "* **More.** [Where the recipes leave the paper](README.md#differences-and-gaps), "
        f"`python -m launch audit {paper.name}`, [all networks](../../results.md).\n\n"
        f"## The paper's error rates\n\n{_claims(paper)}"
    )
    others = paper.others()
    parts = {
        "## Measured with the paper's recipe, where the paper has no such number": [
            _measured(one) | {DEPARTS: paper.say_departures(one)} for one in others if one.whole
        ],
        "## Measured with changes (not the paper's experiment)": [
            _measured(one) | {"Setting": link(label(one, names), names, "../settings.md")}
            for one in others
            if not one.whole
        ],
        "## Runs": _runs(paper.measured),
        "curves": "![Training curves of the recorded runs](curves.svg)" if paper.curves else "",
        "sweeps": sweep_records.section(paper.name),
        "## Its structural tables": [
            {
                "Table": f"{one.title}: {one.note}" if one.note else one.title,
                "Variant": one.variant,
                "Source": one.source,
                "Cells": str(len(one.cell)),
                "Differ, explained": str(count_differing(one.cell)),
            }
            for one in about.table
        ],
        "## Its networks beside others": [
            {
                "Claim": one.text,
                "Source": one.source,
                "Ratio": f"{one.quantity} of {one.of} / {one.to}",
                "Paper": one.paper,
                "Verdict": f"differs: {one.explanation}" if one.explanation else "agrees",
            }
            for one in about.ratio
        ],
        "## Its other statements": [
            {"Statement": one.text, "Source": one.source, "Verdict": one.verdict, "Why": one.note}
            for one in about.claim
        ],
    }
    texts = [
        part if isinstance(part, str) else f"{heading}\n\n{table(part)}"
        for heading, part in parts.items()
        if part
    ]
    return "\n\n".join([head, *texts]) + "\n"


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
        counts = ", ".join(f"{verdicts[v]} {v}" for v in CLAIM_VERDICTS if verdicts[v])
        parts.append(f"{verdicts.total()} other statements ({counts})")
    same: dict[str, list[str]] = {}
    for oracle in read_oracles():
        for variant in oracle["variants"]:
            if variant in paper.recipes:
                same.setdefault(oracle["implementation"], []).append(variant)
    parts += [f"logits of {', '.join(variants)} with {other}" for other, variants in same.items()]
    return f"{'; '.join(parts)}."


def _not_run(paper: Paper) -> str:
    missing = paper.not_run()
    if not missing:
        return "Nothing: every recipe was trained."
    first, macs = missing[0], [paper.macs(variant) for variant in missing]
    text = (
        f"{len(missing)} of {len(paper.recipes)} recipes, {multiply_accumulates(sum(macs))} in all "
        f"({time_at_rate(sum(macs))}); first `python -m launch {first}`, "
        f"{multiply_accumulates(macs[0])} ({time_at_rate(macs[0])})."
    )
    notes = [c.note for c in paper.expected.cost if c.variant == first]
    return f"{text} The paper's own cost: {notes[0]}." if notes else text


def _claims(paper: Paper) -> str:
    rows, compared = [], paper.beside()
    for claim in paper.expected.result:
        more = "; ".join(
            filter(None, [claim.note, claim.selected and f"selected {claim.selected}"])
        )
        printed = {
            "Variant": claim.variant,
            "Data, split": f"{claim.data}, {claim.split}",
            "Views": claim.views,
            "Paper: top-1": as_printed(claim.top1_error),
            "top-5": as_printed(claim.top5_error),
            "Source": f"{claim.source} ({more})" if more else claim.source,
        }
        found = [
            (one.error("top1_error"), one.error("top5_error"), paper.say_departures(one))
            for one in of_claim(claim, paper.measured)
        ]
        for top1, top5, departs in found or [(why_not(paper, claim), "", "")]:
            # Two columns are headed alike: the second has a blank, which `table` takes out.
            measured = {"Measured: top-1": top1, "top-5 ": top5}
            rows.append(printed | measured | ({DEPARTS: departs} if compared else {}))
    return table(rows)


def as_printed(value: float | None) -> str:
    """A number of a paper, with the digits that it printed."""
    return "" if value is None else f"{value} %"


def why_not(paper: Paper, claim: Result) -> str:
    """Why there is no measurement beside a claim, and what it costs."""
    recipe = paper.recipes.get(claim.variant)
    if recipe is None:
        return "not run: no recipe for it here"
    if claim.data not in (recipe.data, *recipe.also_on):
        return f"not run: the recipe is for {recipe.data}"
    if claim.views not in recipe.views:
        return "not run: a run's own views are others; see `evaluate`"
    price = cost(recipe, paper.expected.macs[claim.variant])
    data = f" --data {claim.data}" if claim.data != recipe.data else ""
    return f"not run: {price}, `python -m launch {claim.variant}{data}`"


def _measured(one: Measurement) -> dict[str, str]:
    return {
        "Variant": one.variant,
        "Data, split": f"{one.data}, {one.split}",
        "Views": one.views,
        "Top-1": one.error("top1_error"),
        "Top-5": one.error("top5_error"),
    }


def _runs(found: list[Measurement]) -> list[dict[str, str]]:
    rows = [
        {
            "Command": f"`{row['command']}`",
            "Seed": str(row["seed"]),
            "Data read": row["read"],
            "Finished": row["finished"],
            "Devices": row["devices"],
            "Images/s": f"{row['images_per_second']:,.1f}",
            "Commit": row["commit"],
        }
        for one in found
        for row in one.rows
    ]
    return [row for place, row in enumerate(rows) if row not in rows[:place]]
