"""Fuses prediction files of evaluate, and reports the errors of every rule of fusion."""

import dataclasses
import itertools
import pathlib
import sys
from collections.abc import Iterator

import numpy as np
from absl.flags import FlagValues

import reproductions
from common.errors import UsageError
from common.evaluation.comparisons import error_correlation, mcnemar
from common.evaluation.predictions import Predictions, write
from common.training.run_record import versions
from launch.report import fusion_records, leaderboard
from launch.report.error_counts import Missed, missed, without_blacklist
from launch.settings.flags import items, path, switch, whole
from launch.terminal.display import Counting
from launch.terminal.new_files import require_new
from launch.terminal.tables import show
from reproductions.ilsvrc2016.fusion import (
    FOLDS,
    Ensemble,
    Rule,
    fuse,
    of_members,
    untuned_average,
    why_not,
)
from reproductions.ilsvrc2016.spec import CHALLENGE, Spec, only_available, read_members, spec_of

COUNTS = [">top-1", ">top-1 error", ">top-5", ">top-5 error"]
USAGE = "ensemble FILE.npz... [--rules R,R]; or ensemble SPEC_OR_TEAM; or ensemble ilsvrc2016"
FLAGS = {
    "rules": items("rules of fusion, such as simple,weighted_nll; default: all"),
    "out": path("a new .npz file for the fused predictions of one rule"),
    "available": switch("leave out members without a file"),
    "record": switch("keep the counts in reproductions/ilsvrc2016"),
    "seed": whole("the folds follow from it", 0, high=2**32 - 1),
}


def run(words: list[str], flags: FlagValues) -> int:
    """Prints the tables; exit code 0.

    Raises:
        UsageError: if there is nothing to fuse, to report or to write.
        RunError: if a file is damaged.
    """
    if not words:
        raise UsageError(
            "ensemble takes prediction files or a spec: python -m launch "
            "ensemble FILE.npz FILE.npz ... [--rules R,R]; ensemble ilsvrc2016 "
            "shows the challenge's."
        )
    if words == [CHALLENGE]:
        leaderboard.run()
        return 0
    if flags.record:
        reproductions.require_repository("ensemble --record")
    out, spec = flags.out, spec_of(words, flags.rules)
    if flags.available:
        spec = only_available(spec)
    if out:
        _check_out(out, spec)
    members = read_members(spec)
    ensemble = of_members(members)
    labelled = bool((ensemble.labels >= 0).all())
    if not out and not labelled:
        raise UsageError(
            "The labels of these images are not all known, so there is "
            "nothing to report. --rules RULE --out FILE writes the fused "
            "predictions."
        )
    files = {name: found for name, _, found in members}
    facts = {"seed": flags.seed, "command": _say_command()}
    judged = {}
    for rule, scores in _fuse_all(spec, ensemble, flags.seed):
        if labelled:
            judged[rule] = missed(scores, ensemble.labels)
        if out:  # then there is one rule
            _write(out, rule, scores, files, facts)
    if labelled:
        _report(spec, ensemble, judged, files, facts, record=flags.record)
    return 0


def _check_out(out: pathlib.Path, spec: Spec) -> None:
    if len(spec.rules) != 1:
        raise UsageError(
            "--out takes the predictions of one rule: name it, for instance "
            f"--rules {spec.rules[0].name}."
        )
    if out.suffix != ".npz":
        raise UsageError(f"--out {out} must end in .npz, as the files that evaluate writes.")
    require_new(out, "--out")


def _fuse_all(spec: Spec, ensemble: Ensemble, seed: int) -> Iterator[tuple[Rule, np.ndarray]]:
    """The scores of every rule that applies; UsageError if none does."""
    reasons = {rule: why_not(rule, ensemble) for rule in spec.rules}
    apply = [rule for rule, reason in reasons.items() if reason is None]
    if not apply:
        whys = "; ".join(f"{r.name}: {why}" for r, why in reasons.items())
        raise UsageError(f"No rule of {spec.title} applies: {whys}.")
    counting, spent, total = Counting(), 0, sum(one.cost for one in apply)
    for rule in apply:
        counting.show("fusing, in times of a simple average", spent, total)
        try:
            scores = fuse(rule, ensemble, seed)
        finally:
            counting.clear()  # what is printed next has a line of its own
        spent += rule.cost
        yield rule, scores


def _report(
    spec: Spec,
    ensemble: Ensemble,
    judged: dict[Rule, Missed],
    files: dict[str, Predictions],
    facts: dict,
    *,
    record: bool,
) -> None:
    """Prints every table; records the counts."""
    print(spec.title)
    for what in spec.unknown:
        print(f"Not known: {what}")
    for rule in spec.rules:
        if rule not in judged:
            print(f"{rule.name} does not apply: {why_not(rule, ensemble)}.")
    records = {name: found.record for name, found in files.items()}
    alone = {n: missed(p.scores, ensemble.labels) for n, p in files.items()}
    subsets = {"All": np.ones(len(ensemble.labels), bool)}
    kept = without_blacklist(next(iter(files.values())))
    if kept is not None:
        subsets["Without the blacklist"] = kept
    rows = []
    for title, kept in subsets.items():
        members = {name: one.of(kept) for name, one in alone.items()}
        rules = {rule: one.of(kept) for rule, one in judged.items()}
        show_rules(title, members, rules)
        rows += [
            fusion_records.row({name: records[name]}, "alone", "", one, **facts)
            for name, one in members.items()
        ]
        rows += [
            fusion_records.row(records, rule.name, how(rule), one, **facts)
            for rule, one in rules.items()
        ]
    show_leave_one_out(ensemble)
    show_pairs(1, {name: one.top1 for name, one in alone.items()})
    if all(one.top5 is not None for one in alone.values()):
        show_pairs(5, {name: one.top5 for name, one in alone.items()})
    if record:
        fusion_records.file().add(rows)
        print(f"\n{len(rows)} counts recorded.")


def _say_command() -> str:
    """The command, its files without the folders of this machine."""
    words = []
    for word in sys.argv[1:]:
        flag, equals, value = word.rpartition("=")
        words.append(flag + equals + pathlib.PurePath(value).name)
    return " ".join(["python -m launch", *words])


def _write(
    out: pathlib.Path, rule: Rule, scores: np.ndarray, files: dict[str, Predictions], facts: dict
) -> None:
    first = next(iter(files.values()))
    record = {
        "data": first.record.get("data"),
        "split": first.record.get("split"),
        "fusion": rule.name,
        "tuned": rule.tuned,
        "folds": FOLDS if rule.tuned else 0,
        "members": {
            name: {key: found.record.get(key) for key in ("sha256", "weights")}
            for name, found in files.items()
        },
        **facts,
        "versions": versions(),
    }
    write(out, dataclasses.replace(first, scores=scores, record=record))
    print(f"{out}: {rule.name}, {how(rule)}")


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
    everyone = missed(untuned_average(ensemble), ensemble.labels)
    rows = [["none", *everyone.count().cells(), "", ""]]
    for model, members in ensemble.rows_of().items():
        found = missed(untuned_average(ensemble.without(model)), ensemble.labels)
        change = f"{found.count().wrong1 - everyone.count().wrong1:+,}"
        p = f"{mcnemar(found.top1, everyone.top1).p:.3g}"
        names = ", ".join(ensemble.names[row] for row in members)
        rows.append([names, *found.count().cells(), change, p])
    head = ["left out", *COUNTS, ">top-1 change", ">p"]
    show("\nOne model left out of the untuned average", head, rows)


def show_pairs(k: int, wrong: dict[str, np.ndarray]) -> None:
    """Prints McNemar's tests and correlations of every two members' top-`k` errors."""
    alike = error_correlation(np.stack(list(wrong.values())))
    rows = []
    for (i, (a, one)), (j, (b, other)) in itertools.combinations(enumerate(wrong.items()), 2):
        test = mcnemar(one, other)
        counts = test.only_first, test.only_second, int((one & other).sum())
        rows.append([a, b, *(f"{n:,}" for n in counts), f"{test.p:.3g}", f"{alike[i, j]:.3f}"])
    head = ["first", "second", ">only first", ">only second", ">both"]
    show(f"\nTop-{k} errors of two members", [*head, ">McNemar p", ">correlation"], rows)
