"""The papers, one folder each; a folder's name is the paper's name here."""

import dataclasses
import functools
import importlib
import pathlib
import sys
from typing import TYPE_CHECKING, Any

from common.errors import RunError, UsageError, did_you_mean
from common.papers.deviations import add_deviations
from common.papers.folders import find_fault, find_folders
from common.recipes.recipe import Recipe

if TYPE_CHECKING:
    import keras

REPOSITORY = pathlib.Path(__file__).parents[1]
# Keras walks a graph by recursion, a few calls for each operation on its longest path:
# cifar_resnet1202 takes 24,000.
DEEPEST_GRAPH = 30_000


def names() -> tuple[str, ...]:
    """All papers, sorted: the folders that can be read."""
    return tuple(name for name, fault in _folders().items() if not fault)


def faults() -> dict[str, str]:
    """Folders of papers that cannot be read, and why, naming the file."""
    return {name: fault for name, fault in _folders().items() if fault}


@functools.cache
def _folders() -> dict[str, str]:
    found = find_folders(pathlib.Path(__file__).parent)
    return {one.name: find_fault(one, lambda one=one: _load(one.name).RECIPES) for one in found}


@dataclasses.dataclass(frozen=True)
class Paper:
    """What a paper's recipe.py and deviations.toml say; see `load`.

    Attributes:
        RECIPES: Variant -> recipe, the headline network's first.
        VIEWS: Variant -> name -> test protocol (common.evaluation.views), of those that
            the paper tests otherwise than by the common views.
    """

    RECIPES: dict[str, Recipe]
    VIEWS: dict[str, dict[str, Any]]


def load(paper: str) -> Paper:
    """The paper's recipes and views; imports no TensorFlow.

    Raises:
        UsageError: if there is no such paper.
        RunError: if its folder cannot be read; says why.
    """
    if paper in faults():
        raise RunError(f"{paper} is unfinished: {faults()[paper]}")
    if paper not in names():
        raise UsageError(_unknown(paper, names()))
    return _load(paper)


@functools.cache
def _load(paper: str) -> Paper:
    module = importlib.import_module(f"reproductions.{paper}.recipe")
    recipes = add_deviations(module.RECIPES, folder(paper))
    return Paper(RECIPES=recipes, VIEWS=getattr(module, "VIEWS", {}))


def folder(paper: str) -> pathlib.Path:
    """Where the paper's files lie."""
    return pathlib.Path(__file__).parent / paper


def build_model(
    paper: str, variant: str, *, image_size: int | None = None, num_classes: int | None = None
) -> "keras.Model":
    """A variant's network: (batch, S, S, channels) images -> (batch, num_classes) logits.

    With auxiliary heads a list of logits, the main head's first. Logits are float32 under
    any dtype policy.

    Args:
        image_size: S, pixels; None is the recipe's.
        num_classes: None is the recipe's.

    Raises:
        UsageError: if the network does not fit such images.
    """
    recipe = load(paper).RECIPES[variant]
    size, smallest = image_size or recipe.image_size, smallest_image(paper, variant)
    if size < smallest:
        raise UsageError(
            f"{variant} needs images of at least {smallest}x{smallest} pixels: from "
            f"{size}x{size} nothing is left for its last windows."
        )
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEEPEST_GRAPH))
    try:
        model = importlib.import_module(f"reproductions.{paper}.model")
        return model.build_model(variant, size, num_classes or recipe.num_classes)
    finally:
        sys.setrecursionlimit(limit)


def smallest_image(paper: str, variant: str) -> int:
    """The side of the smallest images that the network has windows for; pixels."""
    model = importlib.import_module(f"reproductions.{paper}.model")
    return getattr(model, "SMALLEST_IMAGE", {}).get(variant, 1)


def views(paper: str, variant: str) -> dict[str, Any]:
    """The paper's own test protocols (common.evaluation.views) of a variant."""
    return load(paper).VIEWS.get(variant, {})


def find(name: str) -> tuple[str, str]:
    """(paper, variant) of a paper's or a variant's name.

    A paper's name means its first variant, the headline network.

    Raises:
        UsageError: if nothing is called that; names what is nearest.
        RunError: if it is a paper whose folder cannot be read; says why.
    """
    variants = {v: p for p in names() for v in load(p).RECIPES}
    if name in variants:
        return variants[name], name
    if name in _folders():
        return name, next(iter(load(name).RECIPES))
    raise UsageError(_unknown(name, (*variants, *names())))


def _unknown(name: str, known: tuple[str, ...]) -> str:
    hint = did_you_mean(name, known)
    return (
        f"There is no paper or variant called {name!r}.{hint} Papers: "
        f"{', '.join(names())}; python -m launch list shows their variants."
        + "".join(f" {paper} is unfinished: {fault}" for paper, fault in faults().items())
    )
