"""Markdown tables, and the generated blocks in READMEs."""

import pathlib

from common.errors import RunError
from common.recipes.recipe import Deviation, Recipe


def table(rows: list[dict[str, str]]) -> str:
    """A Markdown table of rows by heading; "None." without any."""
    if not rows:
        return "None."
    lines = [
        " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line)
        for line in (rows[0], ["---"] * len(rows[0]), *(row.values() for row in rows))
    ]
    return "\n".join(f"| {line} |" for line in lines)


def with_deviations(readme: pathlib.Path, recipes: dict[str, Recipe]) -> str:
    """A paper's README with its table of deviations written anew, each once."""
    variants: dict[Deviation, list[str]] = {}
    for variant, recipe in recipes.items():
        for deviation in recipe.deviations:
            variants.setdefault(deviation, []).append(variant)
    rows = [
        {
            "What": f"**{one.field}**",
            "Paper": one.paper,
            "Here": one.here,
            "Why": one.reason,
            "Variants": "all" if len(names) == len(recipes) else ", ".join(names),
        }
        for one, names in variants.items()
    ]
    return with_block(readme, "deviations", table(rows))


def with_block(readme: pathlib.Path, name: str, block: str) -> str:
    """A README's text with what stands between its marks for `name` written anew.

    Raises:
        RunError: unless it has the two marks, in order.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = readme.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed or begin in after or end in after:
        raise RunError(
            f"{readme} has no one place for its {name}. Put the lines {begin} and {end} "
            "where `report` may write them."
        )
    return f"{before}{begin}\n\n{block}\n\n{end}{after}"
