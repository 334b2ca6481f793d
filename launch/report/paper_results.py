"""One paper's claims and what was measured: reproductions/<paper>/results.md.

The long tables are here, results.md at the top has what follows from them.
"""

from collections import Counter
from collections.abc import Sequence

import reproductions
from common.papers.expected import Cell, Expected, Ratio, Result, read_expected, read_reproduced
from common.recipes.recipe import Recipe
from launch.report import curves
from launch.report.curves import Curve
from launch.report.markdown import table
from launch.report.measurements import Measurement, cost, measurements, of_claim


class Paper:
    """One paper's recipes, claims, measurements and training curves."""

    def __init__(self, name: str):
        folder = reproductions.folder(name)
        self.name = name
        self.recipes: dict[str, Recipe] = reproductions.load(name).RECIPES
        self.expected: Expected = read_expected(folder)
        self.measured = measurements(name, read_reproduced(folder))
        self.curves: list[Curve] = curves.read(name)

    def printed(self) -> list[Cell | Ratio]:
        """The structural numbers that the paper and the slides print."""
        cells = [cell for t in self.expected.table for cell in t.cell]
        return [*cells, *self.expected.ratio]

    def verdicts(self) -> Counter:
        """How many of the other statements have which verdict."""
        return Counter(claim.verdict for claim in self.expected.claim)

    def beside(self) -> list[tuple[Result, Measurement]]:
        """Whole runs of its recipes, each with the error rate that it is of."""
        return [
            (claim, one) for claim in self.expected.result for one in of_claim(claim, self.measured)
        ]

    def claims_measured(self) -> int:
        """How many of its error rates stand beside a measurement."""
        return sum(bool(of_claim(claim, self.measured)) for claim in self.expected.result)

    def others(self) -> list[Measurement]:
        """What was measured where the paper has no such number."""
        beside = [one for _, one in self.beside()]
        return [one for one in self.measured if one not in beside]

    def not_run(self) -> list[str]:
        """The variants whose recipe, as it is, has not been trained."""
        trained = {one.variant for one in self.measured if one.whole}
        return [variant for variant in self.recipes if variant not in trained]

    def page(self) -> str:
        """All of the paper's own results.md."""
        about = self.expected
        parts = [
            f"# {about.title}: claims and results\n\n"
            "Written by `python -m launch report`; do not edit. In short: "
            f"[results.md](../../results.md#{self.name}). Where the recipes "
            "leave the paper: [README.md](README.md).",
            "## The paper's error rates\n\n" + self._claims(),
        ]
        as_paper = [one for one in self.others() if one.whole]
        changed = [one for one in self.others() if not one.whole]
        for title, found in (
            ("Measured with the paper's recipe, where the paper has no such number", as_paper),
            ("Measured with changes (not the paper's experiment)", changed),
        ):
            if found:
                parts.append(f"## {title}\n\n{measured_table(found)}")
        if self.measured:
            parts.append("## Runs\n\n" + _runs(self.measured))
        if about.table:
            parts.append("## Its structural tables\n\n" + _tables(about))
        if about.ratio:
            parts.append("## Its networks beside others\n\n" + _ratios(about))
        if about.claim:
            parts.append("## Its other statements\n\n" + _statements(about))
        return "\n\n".join(parts) + "\n"

    def _claims(self) -> str:
        head = ["Variant", "Data, split", "Views", "Paper: top-1", "top-5"]
        head += ["Source", "Measured: top-1", "top-5"]
        if self.beside():
            head.append("Departs from what the paper states")
        rows = []
        for claim in self.expected.result:
            what = [claim.variant, f"{claim.data}, {claim.split}", claim.views]
            what += [percent(claim.top1_error), percent(claim.top5_error)]
            what.append(_source(claim))
            for one in of_claim(claim, self.measured):
                errors = [one.error("top1_error"), one.error("top5_error")]
                rows.append([*what, *errors, self.departures(one)])
            if not of_claim(claim, self.measured):
                rest = [""] * (len(head) - len(what) - 1)
                rows.append([*what, self.why_not(claim), *rest])
        return table(head, rows)

    def departures(self, one: Measurement) -> str:
        """Where a whole run leaves what the paper states."""
        found = one.departures(self.recipes[one.variant])
        return "; ".join(found) or "nothing"

    def why_not(self, claim: Result) -> str:
        """Why there is no measurement beside a claim, and what it costs."""
        recipe = self.recipes.get(claim.variant)
        if recipe is None:
            return "not run: no recipe for it here"
        if claim.data != recipe.data:
            return f"not run: the recipe is for {recipe.data}"
        if claim.views not in recipe.views:
            return "not run: a run's own views are others; see `evaluate`"
        price = cost(recipe, self.expected.macs[claim.variant])
        return f"not run: {price}, `python -m launch {claim.variant}`"


def percent(value: float | None) -> str:
    """A number of a paper, as it printed it."""
    return "" if value is None else f"{value} %"


def differing(printed: Sequence[Cell | Ratio]) -> int:
    """How many differ from what is computed; each of them is explained."""
    return sum(one.explanation is not None for one in printed)


def measured_table(found: list[Measurement]) -> str:
    """Errors, and what was changed if anything was."""
    head = ["Variant", "Data, split", "Views", "Top-1", "Top-5"]
    rows = [
        [
            one.variant,
            f"{one.data}, {one.split}",
            one.views,
            one.error("top1_error"),
            one.error("top5_error"),
        ]
        for one in found
    ]
    if any(one.changes for one in found):
        head.append("Changed")
        for row, one in zip(rows, found, strict=True):
            row.append("; ".join(one.changes))
    return table(head, rows)


def _tables(expected: Expected) -> str:
    head = ["Table", "Variant", "Source", "Cells", "Differ, explained"]
    rows = [
        [
            f"{one.title}: {one.note}" if one.note else one.title,
            one.variant,
            one.source,
            str(len(one.cell)),
            str(differing(one.cell)),
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


def _statements(expected: Expected) -> str:
    head = ["Statement", "Source", "Verdict", "Why"]
    rows = [[c.text, c.source, c.verdict, c.note] for c in expected.claim]
    return table(head, rows)


def _source(claim: Result) -> str:
    notes = [claim.note] if claim.note else []
    if claim.selected:
        notes.append(f"selected {claim.selected}")
    return f"{claim.source} ({'; '.join(notes)})" if notes else claim.source


def _runs(found: list[Measurement]) -> str:
    head = ["Command", "Seed", "Data read", "Finished", "Devices"]
    head += ["Images/s", "Commit"]
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
