"""`python -m launch list`: what there is, what it costs, what was run."""

import reproductions
from common.papers.expected import Expected, read_expected, read_reproduced
from common.recipes.recipe import Recipe
from launch.report import measurements
from launch.terminal.tables import show
from launch.weights import bundled_weights

COLUMNS = [
    "paper",
    "variant",
    ">parameters",
    ">MACs/image",
    "data",
    ">recipe",
    "top-1 error measured here",
]


def run() -> int:
    """Prints one line for each variant; the exit code."""
    rows = [row for paper in reproductions.names() for row in rows_of(paper)]
    show("", COLUMNS, rows)
    if variants := bundled_weights.variants():
        print(f"\nTrained weights come with {', '.join(variants)}.")
    return 0


def rows_of(paper: str) -> list[list[str]]:
    """A paper's lines, from its recipes, claims and measured rows.

    Parameters and MACs are the main path's: the network that is tested.
    """
    folder = reproductions.folder(paper)
    expected = read_expected(folder)
    found = measurements.measurements(paper, read_reproduced(folder))
    return [
        [
            paper,
            variant,
            f"{expected.parameters[variant]:,}",
            f"{expected.macs[variant]:,}",
            recipe.data,
            cost(recipe, expected.macs[variant]),
            status(variant, expected, found),
        ]
        for variant, recipe in reproductions.load(paper).RECIPES.items()
    ]


def cost(recipe: Recipe, macs: int) -> str:
    """The full recipe's arithmetic, such as "2.5e17 MAC".

    `macs` are expected.toml's, of the main path: what auxiliary heads add in
    training is left out (GoogLeNet: 0.5 %).
    """
    return multiply_accumulates(measurements.training_macs(recipe, macs))


def multiply_accumulates(count: float) -> str:
    """Such as "2.5e17 MAC"."""
    digits, power = f"{count:.1e}".split("e")
    return f"{digits}e{int(power)} MAC"


def status(variant: str, expected: Expected, found: list[measurements.Measurement]) -> str:
    """The measured error beside the paper's, or what there is instead."""
    for claim in expected.result:
        whole = measurements.of_claim(claim, found)
        if claim.variant == variant and whole and claim.top1_error is not None:
            return _shown(whole[0], f"paper {claim.top1_error} %")
    own = [one for one in found if one.variant == variant]
    whole = [one for one in own if one.whole]
    if whole:
        return _shown(whole[0], "no such number in the paper")
    return "with deviations only" if own else "not run"


def _shown(one: measurements.Measurement, beside: str) -> str:
    words = "; ".join([beside, *one.changes])
    return f"{one.mean('top1_error'):.2f} % ({words})"
