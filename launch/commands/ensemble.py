"""`python -m launch ensemble`: fuse prediction files, report every rule."""

import pathlib
import sys
import time
from collections.abc import Iterator

import numpy as np

from common.errors import UsageError
from common.evaluation.predictions import Predictions, write
from common.training.run_record import versions
from launch.commands import ensemble_tables as tables
from launch.report import fusion_records, leaderboard
from launch.report.error_counts import Missed, missed, without_blacklist
from launch.terminal.new_files import require_new
from reproductions.ilsvrc2016.fusion import FOLDS, Ensemble, Rule, fuse, of_members, why_not
from reproductions.ilsvrc2016.spec import CHALLENGE, Spec, only_available, read_members, spec_of


def run(
    words: list[str],
    rules: list[str],
    out: pathlib.Path | None,
    *,
    seed: int,
    available: bool,
    record: bool,
) -> int:
    """Prints the tables; exit code 0.

    Args:
        words: Prediction files, a spec, a team or ilsvrc2016.
        rules: Names; empty means the spec's, or all that apply.
        out: Where the fused predictions go, of the one rule asked for.
        seed: Of the folds.
        available: Whether members whose file is not there are left out.
        record: Whether the counts enter reproductions/ilsvrc2016.

    Raises:
        UsageError: if there is nothing to fuse, to report or to write.
        RunError: if a file is damaged.
    """
    if words == [CHALLENGE]:
        leaderboard.run()
        return 0
    spec = _checked(words, rules, out, available=available)
    members = read_members(spec)
    ensemble = of_members(members)
    labelled = _labelled(ensemble, out)
    files = {name: found for name, _, found in members}
    judged = {}
    for rule, scores in _fused(spec, ensemble, seed):
        if labelled:
            judged[rule] = missed(scores, ensemble.labels)
        if out is not None:  # then there is one rule
            _write(out, rule, scores, files, seed)
    if labelled:
        _report(spec, ensemble, judged, files, seed, record=record)
    return 0


def _checked(
    words: list[str], rules: list[str], out: pathlib.Path | None, *, available: bool
) -> Spec:
    """What is asked for; UsageError if --out does not go with it."""
    spec = spec_of(words, rules)
    if available:
        spec = only_available(spec)
    if out is None:
        return spec
    if len(spec.rules) != 1:
        raise UsageError(
            "--out takes the predictions of one rule: name it, for instance "
            f"--rules {spec.rules[0].name}."
        )
    if out.suffix != ".npz":
        raise UsageError(f"--out {out} must end in .npz, as the files that evaluate writes.")
    require_new(out, "--out")
    return spec


def _labelled(ensemble: Ensemble, out: pathlib.Path | None) -> bool:
    """Whether errors can be counted; UsageError if nothing else is asked."""
    known = bool((ensemble.labels >= 0).all())
    if out is None and not known:
        raise UsageError(
            "The labels of these images are not all known, so there is "
            "nothing to report. --rules RULE --out FILE writes the fused "
            "predictions."
        )
    return known


def _fused(spec: Spec, ensemble: Ensemble, seed: int) -> Iterator[tuple[Rule, np.ndarray]]:
    """The scores of every rule that applies; UsageError if none does."""
    reasons = {rule: why_not(rule, ensemble) for rule in spec.rules}
    apply = [rule for rule, reason in reasons.items() if reason is None]
    if not apply:
        told = "; ".join(f"{r.name}: {why}" for r, why in reasons.items())
        raise UsageError(f"No rule of {spec.title} applies: {told}.")
    began = time.monotonic()
    for done, rule in enumerate(apply):
        _tell(apply, done, time.monotonic() - began)
        yield rule, fuse(rule, ensemble, seed)


def _tell(rules: list[Rule], done: int, seconds: float) -> None:
    """A line on stderr for each rule, once they have taken five seconds."""
    if seconds < 5:
        return
    spent, ahead = (sum(rule.cost for rule in part) for part in (rules[:done], rules[done:]))
    print(
        f"fusing: {rules[done].name}, {done + 1} of {len(rules)} rules, about "
        f"{seconds * ahead / spent:,.0f} s left",
        file=sys.stderr,
        flush=True,
    )


def _report(
    spec: Spec,
    ensemble: Ensemble,
    judged: dict[Rule, Missed],
    files: dict[str, Predictions],
    seed: int,
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
    alone = {n: missed(p.scores, ensemble.labels) for n, p in files.items()}
    subsets = {"All": np.ones(len(ensemble.labels), bool)}
    kept = without_blacklist(next(iter(files.values())))
    if kept is not None:
        subsets["Without the blacklist"] = kept
    rows = []
    for title, kept in subsets.items():
        members = {name: one.of(kept) for name, one in alone.items()}
        rules = {rule: one.of(kept) for rule, one in judged.items()}
        tables.show_rules(title, members, rules)
        rows += _rows(members, rules, files, seed)
    tables.show_leave_one_out(ensemble)
    tables.show_pairs(alone)
    if record:
        fusion_records.file().add(rows)
        print(f"\n{len(rows)} counts recorded.")


def _rows(
    members: dict[str, Missed], rules: dict[Rule, Missed], files: dict[str, Predictions], seed: int
) -> list[dict]:
    records = {name: found.record for name, found in files.items()}
    facts = {"seed": seed, "command": _command()}
    rows = [
        fusion_records.row({name: records[name]}, "alone", "", one, **facts)
        for name, one in members.items()
    ]
    return rows + [
        fusion_records.row(records, rule.name, tables.how(rule), one, **facts)
        for rule, one in rules.items()
    ]


def _command() -> str:
    """The command, its files without the folders of this machine."""
    words = []
    for word in sys.argv[1:]:
        flag, equals, value = word.rpartition("=")
        words.append(flag + equals + pathlib.PurePath(value).name)
    return " ".join(["python -m launch", *words])


def _write(
    out: pathlib.Path, rule: Rule, scores: np.ndarray, files: dict[str, Predictions], seed: int
) -> None:
    first = next(iter(files.values()))
    members = {
        name: {key: found.record.get(key) for key in ("sha256", "weights")}
        for name, found in files.items()
    }
    record = {
        "data": first.record.get("data"),
        "split": first.record.get("split"),
        "fusion": rule.name,
        "tuned": rule.tuned,
        "folds": FOLDS if rule.tuned else 0,
        "seed": seed,
        "members": members,
        "command": _command(),
        "versions": versions(),
    }
    arrays = {"ids": first.ids, "labels": first.labels, "classes": first.classes}
    write(out, Predictions(**arrays, scores=scores, record=record))
    print(f"{out}: {rule.name}, {tables.how(rule)}")
