"""What the network of a file of weights is fed: as the file says, or as asked.

`evaluate`, `predict` and `export` look at images as the publisher of the weights does, or not
at all.
"""

import ast
import dataclasses
import importlib
import pathlib
import sys

import reproductions
from common.errors import UsageError, did_you_mean
from common.models import preprocessing
from common.models.preprocessing import RECIPE
from common.models.state_dicts import SUFFIXES
from common.recipes.recipe import Recipe
from common.recipes.serialization import spell
from launch.settings.overrides import apply
from launch.terminal.quiet import quiet

OURS = ".weights.h5"  # Keras takes no other


def adapt(
    paper: str,
    variant: str,
    recipe: Recipe,
    file: pathlib.Path,
    asked: str | None,
    *,
    of_a_run: bool,
) -> Recipe:
    """The recipe with the preprocessing and image size of the weights; says so if not its own.

    Args:
        file: Of weights; what is no such file is left to who reads it.
        asked: What --preprocessing says.
        of_a_run: Whether the recipe is that of the run that made the file.

    Raises:
        UsageError: if neither the file nor the flag says it, or they differ; if the file is
            another variant's, or was not imported.
        RunError: if what the file says is not known here.
    """
    known = (RECIPE, *layouts(paper))
    if asked not in (None, *known):
        raise UsageError(
            f"--preprocessing cannot be {asked!r}.{did_you_mean(asked, known)} {paper} knows: "
            f"{', '.join(known)}."
        )
    try:
        stated = preprocessing.read(file)
    except OSError:
        if file.is_file() and file.suffix.lower() in (*SUFFIXES, ".keras"):
            raise UsageError(_say_import(variant, file, known[1:])) from None
        return recipe
    if stated:
        preprocessing.require_variant(file, stated.variant, variant)
    said = stated.layout if stated else RECIPE if of_a_run else None
    if asked is None and said is None:
        raise UsageError(_say_unknown(variant, file, known[1:]))
    if asked and said and asked != said:
        raise UsageError(
            f"{file} says itself what its network must be fed, as {said} does; --preprocessing "
            f"{asked} says otherwise. Leave it out; if the file was imported from another layout, "
            "import it again."
        )
    if stated and not (of_a_run and said == RECIPE):
        changed = stated.of(apply(recipe, [f"image_size={stated.described['image_size']}"]))
    elif (said or asked) == RECIPE:
        return recipe
    else:
        with quiet():
            weights = importlib.import_module(f"reproductions.{paper}.weights")
        changed = weights.PREPROCESSING[asked].of(recipe)
    if dataclasses.replace(changed, overrides=recipe.overrides) != recipe:
        print(
            f"{file}: images are prepared as {said or asked} prepares them, {changed.normalize} "
            f"after {', '.join(map(str, changed.test_transforms))}.",
            file=sys.stderr,
        )
    _say_parts(file, stated)
    return changed


def _say_parts(file: pathlib.Path, stated: preprocessing.Stated | None) -> None:
    """What a file says that --set had made of its network, if it does."""
    if stated and (parts := stated.described.get("network")):
        made = ", ".join(f"{name}={spell(part)}" for name, part in parts.items())
        print(f"{file}: its network is made with {made}.", file=sys.stderr)


def _say_unknown(variant: str, file: pathlib.Path, known: tuple[str, ...]) -> str:
    """The words for a file that does not say what its network is fed."""
    if not file.name.endswith(OURS):
        return _say_import(variant, file, known)
    return (
        f"{file} does not say what its network must be fed (order of colours, range, mean, "
        "size): another program or an older version made it. Say it with --preprocessing: "
        f"{RECIPE}, if the paper's recipe trained it, or whose it is; layouts of {variant}: "
        f"{', '.join(known) or 'none'}."
    )


def _say_import(variant: str, file: pathlib.Path, known: tuple[str, ...]) -> str:
    """The words for a published file."""
    if not known:
        return (
            f"{file} is not of this program, whose files end in {OURS}, and no published weights "
            f"are known for {variant}: give a run's folder or a file that a training wrote."
        )
    return (
        f"{file} is not of this program, whose files end in {OURS}. Import it first: python -m "
        f"launch import {variant} --from LAYOUT {file} --out W{OURS}, where LAYOUT says whose it "
        f"is: {', '.join(known)}."
    )


def layouts(paper: str) -> tuple[str, ...]:
    """The keys of LAYOUTS in the paper's weights.py, read and not run.

    Importing it would import TensorFlow, only to refuse a misspelt word.
    """
    file = reproductions.folder(paper) / "weights.py"
    for statement in ast.parse(file.read_text()).body if file.is_file() else ():
        match statement:
            case ast.Assign([ast.Name("LAYOUTS")], ast.Dict(keys)):
                return tuple(ast.literal_eval(key) for key in keys)
    return ()
