"""What the network of a file of weights is fed: as the file says, or as asked.

`evaluate`, `predict` and `export` look at images as the publisher of the
weights does, or not at all.
"""

import importlib
import pathlib
import sys

from common.errors import UsageError, did_you_mean
from common.models import preprocessing
from common.models.preprocessing import RECIPE
from common.recipes.recipe import Recipe
from launch.commands.import_weights import layouts
from launch.terminal.quiet import quiet


def fed(
    paper: str, recipe: Recipe, file: pathlib.Path, asked: str | None, *, of_a_run: bool
) -> Recipe:
    """The recipe with the preprocessing that the weights were trained for.

    Says so if it is not the recipe's own.

    Args:
        file: Of weights; what is no such file is left to who reads it.
        asked: What --preprocessing says.
        of_a_run: Whether the recipe is that of the run that made the file.

    Raises:
        UsageError: if neither the file nor the flag says it, or they differ.
        RunError: if what the file says is not known here.
    """
    known = (RECIPE, *layouts(paper))
    if asked not in (None, *known):
        hint = did_you_mean(asked, known)
        raise UsageError(
            f"--preprocessing cannot be {asked!r}.{hint} {paper} knows: {', '.join(known)}."
        )
    try:
        stated = preprocessing.read(file)
    except OSError:
        return recipe
    said = stated.layout if stated else RECIPE if of_a_run else None
    if asked is None and said is None:
        raise UsageError(_question(paper, file))
    if asked and said and asked != said:
        raise UsageError(
            f"{file} says itself what its network must be fed, as {said} does; "
            f"--preprocessing {asked} says otherwise. Leave it out; if the "
            "file was imported from another layout, import it again."
        )
    if stated and not (of_a_run and said == RECIPE):
        changed = stated.of(recipe)
    elif (said or asked) == RECIPE:
        return recipe
    else:
        with quiet():
            weights = importlib.import_module(f"reproductions.{paper}.weights")
        changed = weights.PREPROCESSING[asked].of(recipe)
    if changed != recipe:
        _say(file, said or asked, changed)
    return changed


def _say(file: pathlib.Path, whose: str, recipe: Recipe) -> None:
    print(
        f"{file}: images are prepared as {whose} prepares them, "
        f"{recipe.normalize} after "
        f"{', '.join(map(str, recipe.test_transforms))}.",
        file=sys.stderr,
    )


def _question(paper: str, file: pathlib.Path) -> str:
    known = layouts(paper)
    imported = ""
    if known:
        imported = (
            f", or the layout that it was imported from ({', '.join(known)}); "
            "import writes it into the file"
        )
    return (
        f"{file} does not say what its network must be fed (order of colours, "
        "range, mean, size): another program or an older version made it. Say "
        f"it with --preprocessing: {RECIPE}, if the paper's recipe trained it"
        f"{imported}."
    )
