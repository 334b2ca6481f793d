"""The recorded runs that answer a question, and differences between them."""

import dataclasses

from common.data import catalog
from common.errors import RunError
from common.evaluation.comparisons import paired, unpaired
from common.recipes.recipe import Recipe
from launch.report import curves
from launch.report.curves import Curve
from launch.report.measurements import Measurement
from launch.report.papers import Paper
from launch.report.questions.question_spec import Question, Wanted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a question's table.

    Attributes:
        measured: The runs that belong to it; None if there is none yet.
        curves: Theirs by seed, as far as they were recorded.
    """

    wanted: Wanted
    paper: Paper
    measured: Measurement | None
    curves: dict[int, Curve]

    @property
    def recipe(self) -> Recipe:
        """The paper's, as it is now."""
        return self.paper.recipes[self.wanted.variant]

    def missing(self) -> list[int]:
        """Seeds that were not recorded."""
        rows = self.measured.rows if self.measured else ()
        there = {row["seed"] for row in rows}
        return [seed for seed in self.wanted.seeds if seed not in there]

    def tests(self) -> dict[int, tuple[float, int]]:
        """(errors, images) of the test split, by seed."""
        rows = self.measured.rows if self.measured else ()
        return {
            row["seed"]: (row["top1_error"] / 100 * row["num_images"], row["num_images"])
            for row in rows
        }

    def guesses(self) -> bool:
        """Whether one of its runs is no better than guessing."""
        classes = self.classes()
        return any(
            round(wrong) * classes >= images * (classes - 1)
            for wrong, images in self.tests().values()
        )

    def classes(self) -> int:
        """Of the data that its runs saw."""
        data = self.measured.data
        return catalog.find(data, self.recipe.channels).num_classes

    def trainings(self) -> dict[int, tuple[float, int]]:
        """(errors, images) of the last epoch as it saw them, by seed."""
        return {
            seed: (curve.train_error[-1] / 100 * curve.images, curve.images)
            for seed, curve in self.curves.items()
            if curve.images
        }


def find_lines(question: Question, papers: dict[str, Paper]) -> list[Line]:
    """The lines of a question; without what the given papers lack."""
    return [
        _find_runs(question, wanted, paper)
        for wanted in question.run
        for paper in papers.values()
        if wanted.variant in paper.recipes
    ]


def _find_runs(question: Question, wanted: Wanted, paper: Paper) -> Line:
    """Of several groups of seeds the one with the most epochs, then the latest."""
    what = (wanted.variant, question.data, question.split, question.views)
    found = [
        one
        for one in paper.measured
        if what == (one.variant, one.data, one.split, one.views) and question.takes(one.changes)
    ]
    best = max(
        found,
        key=lambda one: max((row["epochs"], row["finished"]) for row in one.rows),
        default=None,
    )
    keys = [tuple(row[name] for name in curves.KEY) for row in best.rows] if best else []
    return Line(
        wanted=wanted,
        paper=paper,
        measured=best,
        curves={curve.seed: curve for curve in paper.curves if curve.key() in keys},
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """One error minus another, in points, with its 95 % interval."""

    mean: float
    low: float
    high: float
    how: str

    def text(self) -> str:
        """Such as +1.20 points (+0.30 to +2.10; 3 seeds, paired)."""
        return f"{self.mean:+.2f} points ({self.low:+.2f} to {self.high:+.2f}; {self.how})"

    def verdict(self, claim: str) -> str:
        """What it says of a claim: "higher", "lower", or "" for none."""
        if self.low <= 0 <= self.high:
            return "undecided"
        here = "higher" if self.mean > 0 else "lower"
        if not claim:
            return here
        return "as the paper says" if here == claim else "the other way"


def compare_errors(
    one: dict[int, tuple[float, int]], other: dict[int, tuple[float, int]]
) -> Difference:
    """`one` minus `other`, (errors, images) by seed; neither is empty.

    Of two seeds or more that both have: paired by seed, Student's t. Else of
    the images of one run each, which says nothing of other seeds.
    """

    def subtract(first: tuple[float, int], second: tuple[float, int]) -> float:
        return 100 * (first[0] / first[1] - second[0] / second[1])

    both = sorted(one.keys() & other.keys())
    if len(both) > 1:
        points = [subtract(one[seed], other[seed]) for seed in both]
        low, high = paired(points)
        how = f"{len(both)} seeds, paired"
        return Difference(mean=sum(points) / len(points), low=low, high=high, how=how)
    first, second = (runs[both[0] if both else min(runs)] for runs in (one, other))
    low, high = (100 * share for share in unpaired(first, second))
    how = f"1 run each of {first[1]:,} images"
    return Difference(mean=subtract(first, second), low=low, high=high, how=how)


def find_printed_size(line: Line) -> float:
    """By how many points the two errors of `wanted.size` differ in print.

    Raises:
        RunError: if expected.toml has no such two under one protocol.
    """
    of, to = line.wanted.size
    errors: dict[str, dict] = {of: {}, to: {}}  # by protocol
    for claim in line.paper.expected.result:
        if claim.variant in errors and claim.top1_error is not None:
            protocol = (claim.data, claim.split, claim.views)
            errors[claim.variant].setdefault(protocol, claim.top1_error)
    for protocol, error in errors[of].items():
        if protocol in errors[to]:
            return error - errors[to][protocol]
    raise RunError(
        f"questions.toml wants the printed errors of {of} and {to} under one "
        f"protocol, which reproductions/{line.paper.name}/expected.toml has "
        "not."
    )
