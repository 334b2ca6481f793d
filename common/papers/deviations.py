"""Where the recipes leave their papers (deviations.toml), read from the paper's folder.

A `[[deviation]]` has the fields of common.recipes.recipe.Deviation and `variants`, the names
that it holds for: ["lenet5*", "!lenet5_mse"] are all of LeNet-5 but one; without it they are
all. The file of the same name in the folder above has what is true of the whole suite: a row of
the same field may leave out what stands there.
"""

import dataclasses
import fnmatch
import functools
import pathlib

from common.errors import RunError
from common.papers.expected import load_toml, make_row
from common.recipes.recipe import Deviation, Recipe

NAME = "deviations.toml"


def add_deviations(recipes: dict[str, Recipe], folder: pathlib.Path) -> dict[str, Recipe]:
    """A paper's recipes, each with the deviations that its folder has for it.

    Raises:
        RunError: if a key is unknown or missing, or a pattern fits no variant.
    """
    path = folder / NAME
    suite = {row.get("field", ""): row for row in _read_rows(path.parents[1] / NAME)}
    found: dict[str, list[Deviation]] = {variant: [] for variant in recipes}
    for number, row in enumerate(_read_rows(path), 1):
        where, row = f"deviation {number}", dict(row)
        chosen, left_out = set(), set()
        for pattern in row.pop("variants", []):
            name = pattern.removeprefix("!")
            fits = {name} if name in recipes else set(fnmatch.filter(recipes, name))
            if not fits:
                raise RunError(
                    f"{path}: {where} is of {pattern!r}, which fits none of the paper's variants: "
                    f"{', '.join(recipes)}."
                )
            (left_out if pattern.startswith("!") else chosen).update(fits)
        deviation = make_row(Deviation, suite.get(row.get("field"), {}) | row, where, path)
        for variant in (chosen or set(recipes)) - left_out:
            found[variant].append(deviation)
    return {
        variant: dataclasses.replace(recipe, deviations=tuple(found[variant]))
        for variant, recipe in recipes.items()
    }


@functools.cache  # of the suite, for all papers
def _read_rows(path: pathlib.Path) -> list[dict]:
    data = load_toml(path)
    rows = data.pop("deviation", [])
    if data:
        raise RunError(f"{path} has keys other than deviation: {', '.join(data)}.")
    return rows
