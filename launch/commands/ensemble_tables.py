"""What `ensemble` prints."""

import itertools

import numpy as np

from common.evaluation.comparisons import error_correlation, mcnemar
from launch.report.error_counts import Missed, missed
from launch.terminal.tables import show
from reproductions.ilsvrc2016.fusion import FOLDS, Ensemble, Rule, untuned_average

COUNTS = [">top-1", ">top-1 error", ">top-5", ">top-5 error"]


def how(rule: Rule) -> str:
    """How what is reported of a rule came about."""
    return f"out of {FOLDS} folds" if rule.tuned else "untuned"


def show_rules(title: str, members: dict[str, Missed], rules: dict[Rule, Missed]) -> None:
    """Prints members and rules, each rule beside the first one."""
    first, base = next(iter(rules.items()))
    rows = [[n, "alone", *m.count().cells(), ""] for n, m in members.items()]
    for rule, found in rules.items():
        p = f"{mcnemar(found.top1, base.top1).p:.3g}" if rule != first else ""
        rows.append([rule.name, how(rule), *found.count().cells(), p])
    head = ["rule", "", *COUNTS, f">p, to {first.name}"]
    show(f"\n{title} {len(base.top1):,} images", head, rows)


def show_leave_one_out(ensemble: Ensemble) -> None:
    """Prints the untuned average of all models, and without each."""
    if len(ensemble.rows_of()) < 3:
        return
    labels = ensemble.labels
    everyone = missed(untuned_average(ensemble), labels)
    rows = [["none", *everyone.count().cells(), "", ""]]
    for model, members in ensemble.rows_of().items():
        found = missed(untuned_average(ensemble.without(model)), labels)
        change = found.count().wrong1 - everyone.count().wrong1
        rows.append(
            [
                ", ".join(ensemble.names[row] for row in members),
                *found.count().cells(),
                f"{change:+,}",
                f"{mcnemar(found.top1, everyone.top1).p:.3g}",
            ]
        )
    head = ["left out", *COUNTS, ">top-1 change", ">p"]
    show("\nOne model left out of the untuned average", head, rows)


def show_pairs(members: dict[str, Missed]) -> None:
    """Prints McNemar's tests and correlations of every two members."""
    _show_pairs(1, {name: one.top1 for name, one in members.items()})
    if all(one.top5 is not None for one in members.values()):
        _show_pairs(5, {name: one.top5 for name, one in members.items()})


def _show_pairs(k: int, wrong: dict[str, np.ndarray]) -> None:
    alike = error_correlation(np.stack(list(wrong.values())))
    rows = []
    numbered = enumerate(wrong.items())
    for (i, (a, one)), (j, (b, other)) in itertools.combinations(numbered, 2):
        test = mcnemar(one, other)
        numbers = test.only_first, test.only_second, int((one & other).sum())
        rows.append(
            [a, b, *(f"{number:,}" for number in numbers), f"{test.p:.3g}", f"{alike[i, j]:.3f}"]
        )
    head = ["first", "second", ">only first", ">only second", ">both"]
    head += [">McNemar p", ">correlation"]
    show(f"\nTop-{k} errors of two members", head, rows)
