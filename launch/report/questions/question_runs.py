"""The recorded runs that answer a question, and differences between them."""

import dataclasses

from common.data import catalog
from common.evaluation.comparisons import paired, unpaired
from common.recipes.recipe import Recipe
from launch.report import curves
from launch.report.curves import Curve
from launch.report.measurements import Measurement
from launch.report.papers import Paper
from launch.report.questions.question_spec import Question, Wanted

Errors = dict[int, tuple[float, int]]  # (errors, images) by seed


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
        return [seed for seed in self.wanted.seeds if seed not in self.tests()]

    def tests(self) -> Errors:
        """Of the test split."""
        rows = self.measured.rows if self.measured else ()
        return {
            row["seed"]: (row["top1_error"] / 100 * row["num_images"], row["num_images"])
            for row in rows
        }

    def trainings(self) -> Errors:
        """Of the last epoch's images, as it saw them."""
        return {
            seed: (curve.train_error[-1] / 100 * curve.images, curve.images)
            for seed, curve in self.curves.items()
            if curve.images
        }

    def classes(self) -> int:
        """Of the data that its runs saw."""
        return catalog.find(self.measured.data, self.recipe.channels).num_classes

    def guesses(self) -> bool:
        """Whether one of its runs is no better than guessing."""
        classes = self.classes()
        return any(
            round(wrong) * classes >= images * (classes - 1)
            for wrong, images in self.tests().values()
        )

    def printed_size(self) -> float:
        """By how many points the two errors of `wanted.size` differ in print."""
        of, to = self.wanted.size
        errors: dict[str, dict] = {of: {}, to: {}}  # by protocol
        for claim in self.paper.expected.result:
            if claim.variant in errors and claim.top1_error is not None:
                protocol = (claim.data, claim.split, claim.views)
                errors[claim.variant].setdefault(protocol, claim.top1_error)
        protocol = next(one for one in errors[of] if one in errors[to])
        return errors[of][protocol] - errors[to][protocol]


def find_lines(question: Question, papers: dict[str, Paper]) -> list[Line]:
    """The lines of a question; without what the given papers lack.

    Of several groups of seeds the one with the most epochs counts, then with the most of the
    seeds that were asked for, then the latest.
    """
    lines = []
    for wanted, paper in [(w, p) for w in question.run for p in papers.values()]:
        if wanted.variant not in paper.recipes:
            continue
        what = (wanted.variant, question.data, question.split, question.views)
        best = max(
            (
                one
                for one in paper.measured
                if what == (one.variant, one.data, one.split, one.views)
                and question.takes(one.changes)
            ),
            key=lambda one: (
                max(row["epochs"] for row in one.rows),
                sum(row["seed"] in wanted.seeds for row in one.rows),
                max(row["finished"] for row in one.rows),
            ),
            default=None,
        )
        keys = [curves.file(paper.name).key_of(row) for row in best.rows] if best else []
        own = {curve.seed: curve for curve in paper.curves if curve.key() in keys}
        lines.append(Line(wanted=wanted, paper=paper, measured=best, curves=own))
    return lines


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


def compare_errors(one: Errors, other: Errors) -> Difference:
    """`one` minus `other`; neither is empty.

    Of two seeds or more that both have: paired by seed, Student's t. Else of
    the images of one run each, which says nothing of other seeds.
    """
    both = sorted(one.keys() & other.keys())
    first, second = (runs[both[0] if both else min(runs)] for runs in (one, other))
    pairs = [(one[seed], other[seed]) for seed in both] or [(first, second)]
    points = [100 * (a / images - b / others) for (a, images), (b, others) in pairs]
    if len(both) > 1:
        (low, high), how = paired(points), f"{len(both)} seeds, paired"
    else:
        low, high = (100 * share for share in unpaired(first, second))
        how = f"1 run each of {first[1]:,} images"
    return Difference(mean=sum(points) / len(points), low=low, high=high, how=how)
