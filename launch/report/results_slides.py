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
        {"Slides": heading if not i else "", **_row(papers[name])}
        for heading, names in SYSTEMS.items()
        for i, name in enumerate(names)
        if name in papers
    ]
    return "\n\n".join([_INTRODUCTION, table(rows), *_teams()]) if rows else ""


_INTRODUCTION = """\
# The slides: every system and table

Written by `python -m launch report`; do not edit.

Cells of the slides' tables are recomputed from the networks with those of the
papers. ResNeXt, Wide and pre-activation ResNets are not on the slides but in
the ensembles of their last table."""


def _row(paper: Paper) -> dict[str, str]:
    about = paper.expected
    cells = [cell for t in about.table if on_slides(t) for cell in t.cell]
    cells += [ratio for ratio in about.ratio if on_slides(ratio)]
    verdicts = Counter(claim.verdict for claim in about.claim if on_slides(claim))
    variant, recipe = next(iter(paper.recipes.items()))
    trained = status(variant, recipe.data, about, paper.measured)
    if variant in paper.not_run():
        trained += f": {cost(recipe, about.macs[variant])}"
    numbers = f"{len(cells)} recomputed" if cells else "none printed"
    if count_differing(cells):
        numbers += f", {count_differing(cells)} differ and are explained"
    return {
        "Paper": f"[{paper.network()}]({paper.name}/results.md)",
        "Numbers in the slides' tables": numbers,
        "Its statements": ", ".join(f"{n} {verdict}" for verdict, n in verdicts.items()) or "none",
        "Headline network: trained here?": f"{variant}: {trained}",
    }


def _teams() -> list[str]:
    data = leaderboard.read()
    if not data:
        return []
    rows = []
    for team, name in data["spec"].items():
        entries = [one for one in data["entry"] if one["team"] == team]
        best = min(entries, key=lambda e: e.get("classification", 1))
        here, _ = leaderboard.name_members(name)
        rules = dict.fromkeys(e["rule"] for e in entries if e["rule"] != "unknown")
        runs = "not run: no member is trained on ImageNet here" if here else "cannot be run"
        rows.append(
            {
                "Team": team,
                "Entries": str(len(entries)),
                "Best top-5 test error": leaderboard.errors(best, data["classification_images"])[1],
                "Rules that run here": ", ".join(rules) or "not known",
                "Members built here": ", ".join(here) or "not known",
                "Status": runs,
            }
        )
    return [
        f"ILSVRC2016, the last table: all {len(data['entry'])} entries are "
        "[here](ilsvrc2016/results.md), with each team's rule.\n"
        f"{leaderboard.claims(data)}\n"
        f"\n{table(rows)}\n\n"
        "![The leaderboard with its intervals](ilsvrc2016/leaderboard.svg)\n"
    ]


def entries() -> str:
    """Every row of the leaderboard, for the challenge's own page; empty where it is not."""
    data = leaderboard.read()
    if not data:
        return ""
    images = data["classification_images"]
    rows = []
    for one in data["entry"]:
        wrong, error, boxes = leaderboard.errors(one, images)
        rows.append(
            {
                "Entry": f"{one['team']}: {one['entry']}",
                f"Wrong of {images:,}": wrong,
                "Top-5 test error": error,
                "Localisation": boxes,
                "Rule, as read here": one["rule"],
            }
        )
    return f"## The slides' leaderboard\n\n{leaderboard.claims(data)}\n\n{table(rows)}"
