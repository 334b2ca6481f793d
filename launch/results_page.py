"""results.md as text: the papers' claims beside what was measured."""

from collections import Counter
from collections.abc import Sequence

import reproductions
from common.paper import (
    Cell,
    Expected,
    Ratio,
    Result,
    read_expected,
    read_reproduced,
)
from common.recipe import Recipe
from launch import fusion_records
from launch.list_papers import cost
from launch.markdown import deviation_table, table
from launch.measured import Measurement, measurements, of_claim

CREED = """\
# Results

Written by `python -m launch report`; do not edit.

* A number counts as measured only if the program measured it here and wrote
  it into a paper's `reproduced.toml`. Nothing is filled in from literature.
* A number stands beside the paper's only if the network, the data set, the
  split, the test views and the recipe are the paper's. Every other run stands
  in a table of its own, under what was changed.
* What was not run says so, with its cost in multiply-accumulates (MAC): epochs
  x training images x 3 x MACs of one forward pass.
* Errors are in percent: mean ± standard deviation over seeds, or Wilson's 95 %
  interval for the number of test images where there is one run.
* Structural numbers are the cells of the paper's tables and its comparisons of
  two networks. `python -m launch audit` recomputes each from the network, and
  fails if one differs without an explanation.
"""


def page() -> str:
    """All of results.md; the same bytes for the same files."""
    papers = [Paper(name) for name in reproductions.names()]
    head = [
        "Paper",
        "Variants",
        "Error rates in the paper",
        "Measured",
        "Structural numbers",
        "Other statements",
    ]
    overview = table(head, [paper.overview() for paper in papers])
    sections = [*(p.section() for p in papers), fusion_records.section()]
    return "\n".join([CREED, overview, *filter(None, sections)])


class Paper:
    """One paper's recipes, claims and measurements, for its section."""

    def __init__(self, name: str):
        folder = reproductions.folder(name)
        self.name = name
        self.recipes: dict[str, Recipe] = reproductions.load(name).RECIPES
        self.expected: Expected = read_expected(folder)
        self.measured = measurements(name, read_reproduced(folder))

    def overview(self) -> list[str]:
        """The paper's row of the first table."""
        claims, found = self.expected.result, self.measured
        beside = [c for c in claims if of_claim(c, found)]
        tables = self.expected.table
        printed = [cell for t in tables for cell in t.cell]
        printed += self.expected.ratio
        verdicts = Counter(c.verdict for c in self.expected.claim)
        return [
            f"[{self.expected.title}](#{self.name})",
            str(len(self.recipes)),
            str(len(claims)),
            str(len(beside)),
            f"{len(printed)}, {_explained(printed)} of them differ and are "
            "explained",
            ", ".join(f"{n} {v}" for v, n in sorted(verdicts.items())),
        ]

    def section(self) -> str:
        """The paper's part of the page."""
        about = self.expected
        parts = [
            f'<a id="{self.name}"></a>\n\n## {about.title}\n\n'
            f"{about.authors}. {about.venue}. <{about.url}>\n\n"
            f"Code: [reproductions/{self.name}](reproductions/{self.name}); "
            f"its tables: `python -m launch audit {self.name}`.",
            "### The paper's error rates\n\n" + self._claims(),
        ]
        if about.table:
            parts.append("### Its structural tables\n\n" + _tables(about))
        if about.ratio:
            parts.append("### Its networks beside others\n\n" + _ratios(about))
        as_paper, changed = self._others()
        if as_paper:
            parts.append(
                "### Measured with the paper's recipe, where the paper has no "
                "such number\n\n" + _measured_table(as_paper, changes=False)
            )
        if changed:
            parts.append(
                "### Measured with changes (not the paper's experiment)\n\n"
                + _measured_table(changed, changes=True)
            )
        parts.append(
            "### Where the recipes leave the paper\n\n"
            + deviation_table(self.recipes)
        )
        if self.measured:
            parts.append("### Runs\n\n" + _runs(self.measured))
        return "\n" + "\n\n".join(parts)

    def _claims(self) -> str:
        head = ["Variant", "Data, split", "Views", "Paper: top-1", "top-5"]
        head += ["Source", "Measured: top-1", "top-5"]
        rows = []
        for claim in self.expected.result:
            one = of_claim(claim, self.measured)
            here = (
                [one.error("top1_error"), one.error("top5_error")]
                if one
                else [self._not_run(claim), ""]
            )
            what = [claim.variant, f"{claim.data}, {claim.split}", claim.views]
            printed = [_percent(claim.top1_error), _percent(claim.top5_error)]
            rows.append([*what, *printed, _source(claim), *here])
        return table(head, rows)

    def _not_run(self, claim: Result) -> str:
        recipe = self.recipes.get(claim.variant)
        if recipe is None:
            return "not run: no recipe for it here"
        if claim.data != recipe.data:
            return f"not run: the recipe is for {recipe.data}"
        if claim.views not in recipe.views:
            return "not run: a run's own views are others; see `evaluate`"
        price = cost(recipe, self.expected.macs[claim.variant])
        return f"not run: {price}, `python -m launch {claim.variant}`"

    def _others(self) -> tuple[list[Measurement], list[Measurement]]:
        beside = [of_claim(c, self.measured) for c in self.expected.result]
        others = [one for one in self.measured if one not in beside]
        as_paper = [one for one in others if not one.changes]
        return as_paper, [one for one in others if one.changes]


def _explained(printed: Sequence[Cell | Ratio]) -> int:
    return sum(one.explanation is not None for one in printed)


def _tables(expected: Expected) -> str:
    head = ["Table", "Variant", "Source", "Cells", "Differ, explained"]
    rows = [
        [
            f"{one.title}: {one.note}" if one.note else one.title,
            one.variant,
            one.source,
            str(len(one.cell)),
            str(_explained(one.cell)),
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


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value} %"


def _source(claim: Result) -> str:
    return f"{claim.source} ({claim.note})" if claim.note else claim.source


def _measured_table(found: list[Measurement], *, changes: bool) -> str:
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
    if changes:
        head.append("Changed")
        for row, one in zip(rows, found, strict=True):
            row.append("; ".join(one.changes))
    return table(head, rows)


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
