"""results.md as text: the papers' claims beside what was measured."""

from collections import Counter

import reproductions
from common.paper import Expected, Result, read_expected, read_reproduced
from common.recipe import Recipe
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
"""


def page() -> str:
    """All of results.md; the same bytes for the same files."""
    papers = [Paper(name) for name in reproductions.names()]
    head = [
        "Paper",
        "Variants",
        "Error rates in the paper",
        "Measured",
        "Cells of its tables",
        "Other statements",
    ]
    overview = table(head, [paper.overview() for paper in papers])
    return "\n".join([CREED, overview, *(p.section() for p in papers)])


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
        cells = [cell for t in self.expected.table for cell in t.cell]
        explained = sum(cell.explanation is not None for cell in cells)
        verdicts = Counter(c.verdict for c in self.expected.claim)
        return [
            f"[{self.expected.title}](#{self.name})",
            str(len(self.recipes)),
            str(len(claims)),
            str(len(beside)),
            f"{len(cells)}, {explained} of them differ and are explained",
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
            return "not run: these views are not among the recipe's"
        price = cost(recipe, self.expected.macs[claim.variant])
        return f"not run: {price}, `python -m launch {claim.variant}`"

    def _others(self) -> tuple[list[Measurement], list[Measurement]]:
        beside = [of_claim(c, self.measured) for c in self.expected.result]
        others = [one for one in self.measured if one not in beside]
        as_paper = [one for one in others if not one.changes]
        return as_paper, [one for one in others if one.changes]


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
