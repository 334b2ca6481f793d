"""Markdown tables, and the generated block in a paper's README."""

import pathlib

from common.errors import RunError
from common.recipes.recipe import Deviation, Recipe

BEGIN, END = "<!-- deviations -->", "<!-- /deviations -->"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; "none" if it has no rows."""
    if not rows:
        return "None."
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def deviation_table(recipes: dict[str, Recipe]) -> str:
    """Every deviation of a paper's recipes, each once, with its variants."""
    variants: dict[Deviation, list[str]] = {}
    for variant, recipe in recipes.items():
        for deviation in recipe.deviations:
            variants.setdefault(deviation, []).append(variant)
    rows = [
        [
            f"**{d.field}**",
            d.paper,
            d.here,
            d.reason,
            "all" if len(names) == len(recipes) else ", ".join(names),
        ]
        for d, names in variants.items()
    ]
    return table(["What", "Paper", "Here", "Why", "Variants"], rows)


def with_deviations(readme: pathlib.Path, recipes: dict[str, Recipe]) -> str:
    """A README's text with its block of deviations written anew.

    Raises:
        RunError: unless the file is there and has the two marks, in order.
    """
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise RunError(
            f"{readme} has no one place for the recipes' deviations. Put the "
            f"lines {BEGIN} and {END} under 'Differences and gaps'."
        )
    return f"{before}{BEGIN}\n\n{deviation_table(recipes)}\n\n{END}{after}"
