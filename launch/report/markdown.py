"""Markdown tables, and the generated blocks in READMEs."""

import pathlib

from common.errors import RunError
from common.recipes.recipe import Deviation, Recipe


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; "none" if it has no rows."""
    if not rows:
        return "None."
    lines = [
        " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line)
        for line in (head, ["---"] * len(head), *rows)
    ]
    return "\n".join(f"| {line} |" for line in lines)


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
    """A paper's README with its block of deviations written anew."""
    return with_block(readme, "deviations", deviation_table(recipes))


def with_block(readme: pathlib.Path, name: str, block: str) -> str:
    """A README's text with what stands between its marks for `name` written anew.

    Raises:
        RunError: unless the file is there and has the two marks, in order.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed or begin in after or end in after:
        raise RunError(
            f"{readme} has no one place for its {name}. Put the lines {begin} and {end} "
            "where `report` may write them."
        )
    return f"{before}{begin}\n\n{block}\n\n{end}{after}"
