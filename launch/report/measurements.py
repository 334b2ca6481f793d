"""Measured rows set beside the paper's claims; seeds taken together."""

import dataclasses
import math
import statistics

import reproductions
from common.data import catalog
from common.data.sources.subset import plan_subset
from common.evaluation.comparisons import unpaired
from common.evaluation.metrics import wilson
from common.papers.expected import Expected, Result
from common.recipes.recipe import Recipe
from common.recipes.serialization import recipe_hash
from launch.settings.overrides import with_data

RATE = 1e13  # multiply-accumulates a second: a round figure, no measurement
_PRECISION = "precision "  # how that change begins


@dataclasses.dataclass(frozen=True)
class Measurement:
    """The runs that differ in their seed only.

    Attributes:
        changes: What sets them apart from the paper's recipe: what `--data`
            and `--set` changed, the precision, a recipe since changed.
        rows: Of reproduced.toml, by seed.
    """

    variant: str
    data: str
    split: str
    views: str
    changes: tuple[str, ...]
    rows: tuple[dict, ...]

    @property
    def whole(self) -> bool:
        """Whether the recipe was run as it is, in whatever precision."""
        return only_precision(self.changes)

    def values(self, name: str) -> list[float]:
        """`top1_error` or `top5_error` of the runs that have it, percent."""
        return [row[name] for row in self.rows if name in row]

    def error(self, name: str) -> str:
        """Mean and spread, or an interval; empty if it was not measured."""
        values, images = self.values(name), self.rows[0]["num_images"]
        if not values:
            return ""
        if len(values) > 1:
            mean, spread = statistics.mean(values), statistics.stdev(values)
            return f"{mean:.2f} ± {spread:.2f} % ({len(values)} seeds)"
        low, high = (100 * share for share in wilson(values[0] / 100 * images, images))
        return f"{values[0]:.2f} % (1 run, {low:.2f} to {high:.2f} for {images:,} images)"

    def mean(self, name: str) -> float:
        """The mean error, percent; NaN if it was not measured."""
        return statistics.mean(self.values(name) or [math.nan])

    def compare(self, name: str, printed: float) -> str:
        """Whether the mean error "agrees" with a printed one, or is "lower" or "higher".

        Of two runs on as many images each: what chance leaves open agrees (95 %).
        """
        images = self.rows[0]["num_images"]
        here, there = ((error / 100 * images, images) for error in (self.mean(name), printed))
        low, high = unpaired(here, there)
        return "agrees" if low <= 0 <= high else "lower" if high < 0 else "higher"


def measurements(paper: str, rows: list[dict]) -> list[Measurement]:
    """The rows, those that differ in their seed only, or in the order of --set, together."""
    groups: dict[tuple, dict[int, dict]] = {}
    orders: dict[frozenset, tuple[str, ...]] = {}  # of the same changes: that of the first row
    for row in sorted(rows, key=lambda row: row["seed"]):
        changes = changes_of(row, recipe_on(paper, row["variant"], row["data"]))
        changes = orders.setdefault(frozenset(changes), changes)
        what = (row["variant"], row["data"], row["split"], row["views"], changes)
        group = groups.setdefault((*what, row["recipe"]), {})
        group[row["seed"]] = max(group.get(row["seed"], row), row, key=lambda one: one["finished"])
    return [Measurement(*what, tuple(group.values())) for (*what, _), group in groups.items()]


def recipe_on(paper: str, variant: str, data: str) -> Recipe | None:
    """The paper's recipe of a variant, for that one of its data sets; None if there is none."""
    recipe = reproductions.load(paper).RECIPES.get(variant)
    if recipe and data in recipe.also_on:
        return with_data(recipe, catalog.find(data, recipe.channels))
    return recipe if recipe and recipe.data == data else None


def changes_of(row: dict, recipe: Recipe | None) -> tuple[str, ...]:
    """What sets a row apart from the paper's recipe; empty if nothing.

    A row of a recipe that was edited after the run does not count either.
    """
    changes = list(row["deviations"])
    if row["precision"] != "float32":
        changes.append(f"{_PRECISION}{row['precision']}")
    if not row["deviations"] and (recipe is None or row["recipe"] != recipe_hash(recipe)):
        changes.append(f"an earlier recipe ({row['recipe']})")
    return tuple(changes)


def only_precision(changes: tuple[str, ...]) -> bool:
    """Whether nothing was changed, or the precision alone."""
    return all(change.startswith(_PRECISION) for change in changes)


def of_claim(claim: Result, measured: list[Measurement]) -> list[Measurement]:
    """The measurements that may stand beside a paper's number, float32 first.

    Same variant, data, split and views, and the recipe as it is here. Departures from the paper
    are listed in the same row, not excluded here.
    """
    what = (claim.variant, claim.data, claim.split, claim.views)
    found = [m for m in measured if m.whole and what == (m.variant, m.data, m.split, m.views)]
    return sorted(found, key=lambda one: one.changes)


def training_macs(recipe: Recipe, macs: int) -> float:
    """Multiply-accumulates of the whole recipe: a backward pass costs two; 0 is unknown."""
    if ":" in recipe.data:  # a set without a published size, which may not be here
        return 0.0
    dataset = plan_subset(catalog.find(recipe.data, recipe.channels), recipe)
    images = dataset.splits["train"] * recipe.epochs
    if recipe.updates is not None:
        images = min(images, recipe.updates * recipe.global_batch_size)
    return 3.0 * macs * images


def cost(recipe: Recipe, macs: int) -> str:
    """The full recipe's arithmetic, such as "2.5e17 MAC".

    `macs` are expected.toml's, of the main path: what auxiliary heads add in
    training is left out (GoogLeNet: 0.5 %).
    """
    return multiply_accumulates(training_macs(recipe, macs))


def multiply_accumulates(count: float) -> str:
    """Such as "2.5e17 MAC"."""
    digits, power = f"{count:.1e}".split("e")
    return f"{digits}e{int(power)} MAC" if count else "unknown"


def time_at_rate(macs: float) -> str:
    """How long so many multiply-accumulates take at RATE."""
    if not macs:
        return "unknown"
    hours = macs / RATE / 3600
    if hours >= 48:
        return f"{hours / 24:,.0f} days at 1e13 a second"
    short = f"{hours:.0f} hours" if hours >= 1 else "less than an hour"
    return f"{short} at 1e13 a second"


def status(variant: str, data: str, expected: Expected, found: list[Measurement]) -> str:
    """The measured error beside the paper's, or what there is instead; on `data` if there is."""
    own = [one for one in found if one.variant == variant]
    beside = [
        (runs[0], f"{'paper' if claim.own else claim.source} {claim.top1_error} %")
        for claim in sorted(expected.result, key=lambda claim: not claim.own)
        if claim.top1_error is not None and (runs := of_claim(claim, own))
    ]
    tested = [one for one in own if one.whole and one.split != "train"]
    beside += [(one, "no such number in the paper") for one in tested]
    if beside:
        one, said = min(beside, key=lambda pair: pair[0].data != data)  # the first of equals
        where = "" if one.data == data else f" on {one.data}"
        return f"{one.mean('top1_error'):.2f} %{where} ({'; '.join([said, *one.changes])})"
    return "with deviations only" if own else "not run"
