"""Fusions: reproductions/ilsvrc2016/reproduced.toml, and their part of the contest's page."""

import dataclasses
import itertools
import re
from typing import Any

import reproductions
from common.models.preprocessing import NOT_SAID, RECIPE
from common.papers.expected import Result, read_expected
from common.training.run_record import commit_of, now
from launch.report.error_counts import Count, Missed, percent
from launch.report.markdown import table
from launch.report.row_file import RowFile

# The pages' order: the members, then reproductions.ilsvrc2016.fusion.RULES, which is not
# imported because NumPy would take a third of `report`'s time.
ORDER = (
    *("alone", "simple", "multi_scale", "geometric", "norm_l2", "norm_max", "norm_l1_logits"),
    *("norm_zscore", "norm_max_logits", "norm_temperature", "accuracy_weighted", "weighted_nll"),
    *("weighted_top1", "weighted_top5", "fused_scale", "class_reweighted", "class_reweighted_l2"),
)


# Of each member: facts of its prediction file, which rows of before 2026-12 lack.
_OF_MEMBERS = {"variants": "variant", "views": "view", "layouts": "layout", "changes": "changes"}
_NONE = ("", "unknown")  # changes
# By layout, where the claims on such weights are from: others than who made them have numbers, too.
_PUBLISHERS = {
    "torchvision": "torchvision, IMAGENET1K_V1|timm, results of tv_",
    "torchvision_232": "torchvision",
    "keras": "keras-applications|TF-slim",
    "caffe": "BVLC|release",
    "cadene": "README|Tables [34] and [45]",  # of the port, or of the authors' release
}
COUNTED = ("Wrong, top-1", "Top-1 error", "Wrong, top-5", "Top-5 error")


def file() -> RowFile:
    """Where the measured fusions are."""
    return RowFile(
        path=reproductions.folder("ilsvrc2016") / "reproduced.toml",
        kind="fusion",
        key=("data", "split", "predictions", "rule", "seed", "n"),
        header="# Measured fusions, written by `python -m launch ensemble ... --record`;\n"
        "# never by hand. Counts are wrong images of n.\n",
    )


def row(members: dict[str, dict], rule: str, how: str, found: Missed, **facts: Any) -> dict:
    """What reproduced.toml says of one rule, or of one member alone.

    Args:
        members: Each member's record, of its prediction file.
        how: "untuned" or "out of 5 folds"; "" of a member.
        facts: seed, command.
    """
    first = next(iter(members.values()))
    counted = dataclasses.asdict(found.count())
    return {
        "data": str(first.get("data", "unknown")),
        "split": str(first.get("split", "unknown")),
        "rule": rule,
        "how": how,
        **{key: value for key, value in counted.items() if value is not None},
        "members": list(members),
        "predictions": [str(r.get("sha256", "unknown"))[:16] for r in members.values()],
        "weights": [str(r.get("weights", "unknown"))[:16] for r in members.values()],
        **{
            name: [str(r.get(fact, "unknown")) for r in members.values()]
            for name, fact in _OF_MEMBERS.items()
        },
        **facts,
        "finished": now(),
        "commit": commit_of(reproductions.REPOSITORY),
    }


def find_published(claim: Result, rows: list[dict]) -> dict | None:
    """The row of weights that were published with a claim, under its protocol, on most images.

    Not of weights that were trained here. Of rows that do not say so, the member's name is the
    variant's, and its weights were published.
    """

    def fits(row: dict) -> bool:
        if "layouts" not in row:
            return row["members"] == [claim.variant]
        [view], [layout], [changes] = (row.get(n, [""]) for n in ("views", "layouts", "changes"))
        if (layout, view) == ("torchvision_232", "centre_crop"):  # its frame has 232 pixels
            view = "centre_crop_224_of_232"
        whose = _PUBLISHERS.get(layout, re.escape(layout))
        of_claim = row["variants"] == [claim.variant] and view == claim.views
        own = _is_published(layout) and changes in _NONE
        return of_claim and own and bool(re.search(whose, claim.source))

    found = [
        row
        for row in rows
        if (row["rule"], row["data"], row["split"]) == ("alone", claim.data, claim.split)
        and fits(row)
    ]
    return max(found, key=lambda row: (row["n"], row["finished"]), default=None)


def _has_published(row: dict, variant: str) -> bool:
    """Whether published weights of a variant are a member.

    In a row that does not say so, a member is the variant that its name begins with.
    """
    if "variants" not in row:
        return any(member.startswith(variant) for member in row["members"])
    layouts = map(_is_published, row["layouts"])
    return (variant, True) in zip(row["variants"], layouts, strict=True)


def _is_published(layout: str) -> bool:
    return layout not in (RECIPE, NOT_SAID)


def group_rows() -> list[list[dict]]:
    """The rows of each ensemble: its members alone, then its rules."""
    found: dict[tuple, list[dict]] = {}
    alone = {}
    for row in sorted(file().read(), key=lambda row: ORDER.index(row["rule"])):
        if row["rule"] == "alone":
            alone[row["predictions"][0], row["n"]] = row
        else:
            what = (row["data"], row["split"], row["n"], row["seed"])
            found.setdefault((*what, *row["predictions"]), []).append(row)
    return [
        [alone[p, n] for p in hashes if (p, n) in alone] + rows
        for (_, _, n, _, *hashes), rows in found.items()
    ]


def name_rows(rows: list[dict]) -> list[tuple[str, dict]]:
    """Each row of an ensemble with the name of its member or rule."""
    return [(row["members"][0] if row["rule"] == "alone" else row["rule"], row) for row in rows]


def _find_lowest(pairs: list[tuple[str, dict]]) -> str:
    if not pairs:
        return ""
    name, row = min(pairs, key=lambda pair: pair[1]["wrong1"])
    return f"{name}: {percent(row['wrong1'], row['n'])}"


_INTRODUCTION = """\
<a id="fusion"></a>

## Fusions measured here

Top-1 errors of networks that were evaluated here, and of their fusions. What
is fitted to labels is fitted on four fifths of the images and counted on the
fifth, five times. In brackets Wilson's 95 % interval."""


def section() -> str:
    """The fusions' part of the contest's page: in short, then every rule."""
    found = group_rows()
    if not found:
        return ""
    names = map(reproductions.folder, reproductions.readable())
    claims = [claim for folder in names for claim in read_expected(folder).result]
    rows, parts = [], []
    for group in found:
        pairs = name_rows(group)
        alone = [pair for pair in pairs if pair[1]["rule"] == "alone"]
        rules = [pair for pair in pairs if pair[1]["rule"] != "alone"]
        simple = [pair for pair in rules if pair[0] == "simple"]
        counts = []
        for name, one in pairs:
            cells = Count(one["n"], one["wrong1"], one.get("wrong5")).cells()
            counts.append(
                {"Rule": name, "How": one["how"], **dict(zip(COUNTED, cells, strict=True))}
            )
        first = group[-1]
        where, changes = f"{first['data']}, {first['split']}", first.get("changes", ())
        told = itertools.zip_longest(first["members"], changes, fillvalue="")
        who = ", ".join(f"{name} ({what})" if what not in _NONE else name for name, what in told)
        # How published weights among the members were chosen, if by these errors.
        selected = {
            claim.selected: None
            for claim in claims
            if claim.selected and _has_published(first, claim.variant)
        }
        who += "".join(f" (members selected {how})" for how in selected)
        rows.append(
            {
                "Ensemble": f"{where}: {who}",
                "Images": f"{first['n']:,}",
                "Best member alone": _find_lowest(alone),
                "`simple` average": _find_lowest(simple),
                "Lowest of the rules (seen afterwards)": _find_lowest(rules),
            }
        )
        parts.append(
            f"### {where}, {first['n']:,} images: {who}\n\n{table(counts)}\n\n"
            f"Prediction files (sha256): {', '.join(first['predictions'])}."
            f" `{first['command']}`, commit {first['commit']}."
        )
    return "\n\n".join([_INTRODUCTION, table(rows), *parts])
