"""reproductions/slides.md: the slides' systems and tables, and what became of each."""

from collections import Counter

from common.papers.expected import Claim, Ratio, Table
from launch.report import leaderboard
from launch.report.markdown import table
from launch.report.measurements import cost, status
from launch.report.papers import Paper, count_differing

# The slides' headings, in their order, and the papers that they are of.
SYSTEMS = {
    "LeNet-5": ("lenet5",),
    "AlexNet": ("alexnet",),
    "VGGNet": ("vgg",),
    "GoogLeNet": ("googlenet",),
    "ResNet": ("resnet", "resnet_cifar"),
    "Inception": ("bn_inception", "inception_v3", "inception_v4"),
    "PolyNet": ("polynet",),
}


def on_slides(one: Table | Ratio | Claim) -> bool:
    """Whether the slides have it; expected.toml's sources say so."""
    return "slides" in one.source


def page(papers: dict[str, Paper]) -> str:
    """The whole page, without what the given papers lack; empty if that is all."""
    rows = [
        [heading if not i else "", *_row(papers[name])]
        for heading, names in SYSTEMS.items()
        for i, name in enumerate(names)
        if name in papers
    ]
    if not rows:
        return ""
    head = ["Slides", "Paper", "Numbers in the slides' tables"]
    head += ["Its statements", "Headline network: trained here?"]
    return "\n\n".join([_INTRODUCTION, table(head, rows), _teams()])


_INTRODUCTION = """\
# The slides: every system and table

Written by `python -m launch report`; do not edit.

Cells of the slides' tables are recomputed from the networks with those of the
papers. ResNeXt, Wide and pre-activation ResNets are not on the slides but in
the ensembles of their last table."""


def _row(paper: Paper) -> list[str]:
    about = paper.expected
    cells = [cell for t in about.table if on_slides(t) for cell in t.cell]
    cells += [ratio for ratio in about.ratio if on_slides(ratio)]
    verdicts = Counter(claim.verdict for claim in about.claim if on_slides(claim))
    variant, recipe = next(iter(paper.recipes.items()))
    trained = status(variant, about, paper.measured)
    if variant in paper.not_run():
        trained += f": {cost(recipe, about.macs[variant])}"
    numbers = f"{len(cells)} recomputed"
    if count_differing(cells):
        numbers += f", {count_differing(cells)} differ and are explained"
    return [
        f"[{paper.network()}]({paper.name}/results.md)",
        numbers if cells else "none printed",
        ", ".join(f"{n} {verdict}" for verdict, n in verdicts.items()) or "none",
        f"{variant}: {trained}",
    ]


def _teams() -> str:
    data = leaderboard.read()
    rows = []
    for team, name in data["spec"].items():
        entries = [one for one in data["entry"] if one["team"] == team]
        best = min(entries, key=lambda e: e.get("classification", 1))
        _, error, _ = leaderboard.errors(best, data["classification_images"])
        here, _ = leaderboard.read_members(name)
        rules = {e["rule"]: None for e in entries if e["rule"] != "unknown"}
        rows.append(
            [
                team,
                str(len(entries)),
                error,
                ", ".join(rules) or "not known",
                ", ".join(here) or "not known",
                "not run: no member is trained on ImageNet here" if here else "cannot be run",
            ]
        )
    head = ["Team", "Entries", "Best top-5 test error", "Rules that run here"]
    head += ["Members built here", "Status"]
    total = sum(int(row[1]) for row in rows)
    return (
        f"ILSVRC2016, the last table: all {total} entries are "
        "[here](ilsvrc2016/results.md), with each team's rule.\n"
        f"{leaderboard.claims(data)}\n"
        f"\n{table(head, rows)}\n\n"
        "![The leaderboard with its intervals](ilsvrc2016/leaderboard.svg)\n"
    )


def entries() -> str:
    """Every row of the leaderboard, for the challenge's own page."""
    data = leaderboard.read()
    images = data["classification_images"]
    rows = [
        [f"{one['team']}: {one['entry']}", *leaderboard.errors(one, images), one["rule"]]
        for one in data["entry"]
    ]
    head = ["Entry", f"Wrong of {images:,}", "Top-5 test error"]
    head += ["Localisation", "Rule, as read here"]
    shown = table(head, rows)
    return f"## The slides' leaderboard\n\n{leaderboard.claims(data)}\n\n{shown}"
