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
        return {row["seed"]: _counted(row["top1_error"], row["num_images"]) for row in rows}

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
            seed: _counted(curve.train_error[-1], curve.images)
            for seed, curve in self.curves.items()
            if curve.images
        }


def _counted(error: float, images: int) -> tuple[float, int]:
    return error / 100 * images, images


def lines(question: Question, papers: dict[str, Paper]) -> list[Line]:
    """The lines of a question; without what the given papers lack."""
    return [
        _line(question, wanted, paper)
        for wanted in question.run
        for paper in papers.values()
        if wanted.variant in paper.recipes
    ]


def _line(question: Question, wanted: Wanted, paper: Paper) -> Line:
    what = (wanted.variant, question.data, question.split, question.views)
    found = [
        one
        for one in paper.measured
        if what == (one.variant, one.data, one.split, one.views) and question.takes(one.changes)
    ]
    best = max(found, key=_longest_and_latest, default=None)
    wanted_curves = {_key(row) for row in best.rows} if best else set()
    return Line(
        wanted=wanted,
        paper=paper,
        measured=best,
        curves={curve.seed: curve for curve in paper.curves if curve.key() in wanted_curves},
    )


def _longest_and_latest(one: Measurement) -> tuple:
    row = max(one.rows, key=lambda row: row["finished"])
    return row["epochs"], row["finished"]


def _key(row: dict) -> tuple:
    return tuple(row[name] for name in curves.KEY)


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


def difference(
    one: dict[int, tuple[float, int]], other: dict[int, tuple[float, int]]
) -> Difference:
    """`one` minus `other`, (errors, images) by seed; neither is empty.

    Of two seeds or more that both have: paired by seed, Student's t. Else of
    the images of one run each, which says nothing of other seeds.
    """
    both = sorted(one.keys() & other.keys())
    if len(both) > 1:
        points = [_percent(one[seed]) - _percent(other[seed]) for seed in both]
        low, high = paired(points)
        mean = sum(points) / len(points)
        how = f"{len(both)} seeds, paired"
        return Difference(mean=mean, low=low, high=high, how=how)
    first = one[both[0] if both else min(one)]
    second = other[both[0] if both else min(other)]
    low, high = (100 * share for share in unpaired(first, second))
    mean = _percent(first) - _percent(second)
    how = f"1 run each of {first[1]:,} images"
    return Difference(mean=mean, low=low, high=high, how=how)


def _percent(counted: tuple[float, int]) -> float:
    return 100 * counted[0] / counted[1]


def printed_size(line: Line) -> float:
    """By how many points the two errors of `wanted.size` differ in print.

    Raises:
        RunError: if expected.toml has no such two under one protocol.
    """
    of, to = line.wanted.size
    claims = line.paper.expected.result
    for one in claims:
        for other in claims:
            same = (one.data, one.split, one.views) == (*(other.data, other.split, other.views),)
            if (one.variant, other.variant) == (of, to) and same:
                if None not in (one.top1_error, other.top1_error):
                    return one.top1_error - other.top1_error
    raise RunError(
        f"questions.toml wants the printed errors of {of} and {to} under one "
        f"protocol, which reproductions/{line.paper.name}/expected.toml has "
        "not."
    )
