"""A paper with all that the report reads of it."""

from collections import Counter
from collections.abc import Sequence

import tomli

import reproductions
from common.papers.expected import Cell, Expected, Ratio, Result, read_expected
from common.papers.folders import list_left
from common.recipes.recipe import Recipe
from launch.report import curves, records
from launch.report.curves import Curve
from launch.report.measurements import Measurement, measurements, of_claim, training_macs


class Paper:
    """One paper's recipes, claims, measurements and training curves."""

    def __init__(self, name: str):
        folder = reproductions.folder(name)
        self.name = name
        self.recipes: dict[str, Recipe] = reproductions.load(name).RECIPES
        self.expected: Expected = read_expected(folder)
        self.measured = measurements(name, records.file(name).read())
        self.curves: list[Curve] = curves.read(name)
        # Of all claims, the whole runs that may stand beside them.
        self._beside = [(claim, of_claim(claim, self.measured)) for claim in self.expected.result]

    def network(self) -> str:
        """What the field calls it: the title of the folder's README."""
        readme = reproductions.folder(self.name) / "README.md"
        return readme.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")

    def printed(self) -> list[Cell | Ratio]:
        """The structural numbers that the paper and the slides print."""
        cells = [cell for t in self.expected.table for cell in t.cell]
        return [*cells, *self.expected.ratio]

    def verdicts(self) -> Counter:
        """How many of the other statements have which verdict."""
        return Counter(claim.verdict for claim in self.expected.claim)

    def beside(self) -> list[tuple[Result, Measurement]]:
        """Whole runs of its recipes, each with the error rate that it is of."""
        return [(claim, one) for claim, runs in self._beside for one in runs]

    def claims_measured(self) -> int:
        """How many of its error rates stand beside a measurement."""
        return sum(bool(runs) for _, runs in self._beside)

    def others(self) -> list[Measurement]:
        """What was measured where the paper has no such number."""
        beside = [one for _, one in self.beside()]
        return [one for one in self.measured if one not in beside]

    def not_run(self) -> list[str]:
        """The variants whose recipe, as it is, has not been trained."""
        trained = {(one.variant, one.data) for one in self.measured if one.whole}
        return [name for name, recipe in self.recipes.items() if (name, recipe.data) not in trained]

    def macs(self, variant: str) -> float:
        """Multiply-accumulates of a variant's whole training."""
        return training_macs(self.recipes[variant], self.expected.macs[variant])

    def departures(self, variant: str) -> list[str]:
        """Where a recipe leaves what the paper states."""
        left = [one for one in self.recipes[variant].deviations if one.departs]
        return [f"{one.field}: {one.here} (stated: {one.paper})" for one in left]

    def say_departures(self, one: Measurement) -> str:
        """Where a whole run does."""
        return "; ".join([*self.departures(one.variant), *one.changes]) or "nothing"


def read_papers() -> dict[str, Paper]:
    """Every paper that can be read, by its name."""
    return {name: Paper(name) for name in reproductions.readable()}


def list_unfinished() -> list[str]:
    """A sentence for each paper whose folder cannot be read, or where lines are left to do."""
    faults = reproductions.faults()
    said = [f"{paper} is left out: {fault}" for paper, fault in faults.items()]
    for paper in reproductions.readable():
        if left := list_left(reproductions.folder(paper)):
            said.append(f"{paper} is unfinished: {len(left)} lines say TODO, the first {left[0]}")
    return said


def read_oracles() -> list[dict]:
    """The independent implementations of reproductions/oracles.toml."""
    file = reproductions.REPOSITORY / "reproductions" / "oracles.toml"
    return tomli.loads(file.read_text(encoding="utf-8"))["oracle"]


def count_differing(printed: Sequence[Cell | Ratio]) -> int:
    """How many differ from what is computed; each of them is explained."""
    return sum(one.explanation is not None for one in printed)
