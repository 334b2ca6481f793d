"""The papers, one folder each; a folder's name is the paper's name here."""

import dataclasses
import functools
import importlib
import pathlib
import pkgutil
import sys
from typing import TYPE_CHECKING, Any

from common.errors import UsageError, did_you_mean
from common.papers.deviations import add_deviations
from common.recipes.recipe import Recipe

if TYPE_CHECKING:
    import keras

REPOSITORY = pathlib.Path(__file__).parents[1]
# Keras walks a graph by recursion, a few calls for each operation on its longest path:
# cifar_resnet1202 takes 24,000.
DEEPEST_GRAPH = 30_000


@functools.cache
def names() -> tuple[str, ...]:
    """All papers, sorted: the folders with a recipe."""
    found = (m.name for m in pkgutil.iter_modules(__path__) if m.ispkg)
    return tuple(sorted(name for name in found if (folder(name) / "recipe.py").exists()))


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


@functools.cache
def load(paper: str) -> Paper:
    """The paper's recipes, each with its network's form, and views; imports no TensorFlow.

    Raises:
        UsageError: if there is no such paper.
    """
    if paper not in names():
        raise UsageError(_unknown(paper, names()))
    module = importlib.import_module(f"reproductions.{paper}.recipe")
    recipes = add_deviations(module.RECIPES, folder(paper))
    if (folder(paper) / "forms.py").exists():
        forms = importlib.import_module(f"reproductions.{paper}.forms").FORMS
        recipes = {v: dataclasses.replace(r, network=forms.get(v)) for v, r in recipes.items()}
    return Paper(RECIPES=recipes, VIEWS=getattr(module, "VIEWS", {}))


def folder(paper: str) -> pathlib.Path:
    """Where the paper's files lie."""
    return pathlib.Path(__file__).parent / paper


def build_model(
    paper: str,
    variant: str,
    *,
    image_size: int | None = None,
    num_classes: int | None = None,
    network: Any = None,
) -> "keras.Model":
    """A variant's network: (batch, S, S, channels) images -> (batch, num_classes) logits.

    With auxiliary heads a list of logits, the main head's first. Logits are float32 under
    any dtype policy.

    Args:
        image_size: S, pixels; None is the recipe's.
        num_classes: None is the recipe's.
        network: Its form, one of the paper's forms.py; None is the recipe's.

    Raises:
        UsageError: if the network does not fit such images, or cannot have such a form.
    """
    recipe = load(paper).RECIPES[variant]
    size, smallest = image_size or recipe.image_size, smallest_image(paper, variant)
    changed = network is not None and network != recipe.network
    if size < smallest:
        raise UsageError(
            f"{variant} needs images of at least {smallest}x{smallest} pixels: from "
            f"{size}x{size} nothing is left for its last windows."
        )
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEEPEST_GRAPH))
    try:
        model = importlib.import_module(f"reproductions.{paper}.model")
        form = {"form": network} if changed else {}
        return model.build_model(variant, size, num_classes or recipe.num_classes, **form)
    except ValueError as error:
        if isinstance(error, UsageError) or not changed:
            raise
        raise UsageError(
            f"{variant} cannot be built of such parts, for {size}x{size} pixels: {error}"
        ) from error
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
    """
    variants = {v: p for p in names() for v in load(p).RECIPES}
    if name in variants:
        return variants[name], name
    if name in names():
        return name, next(iter(load(name).RECIPES))
    raise UsageError(_unknown(name, (*variants, *names())))


def _unknown(name: str, known: tuple[str, ...]) -> str:
    hint = did_you_mean(name, known)
    return (
        f"There is no paper or variant called {name!r}.{hint} Papers: "
        f"{', '.join(names())}; python -m launch list shows their variants."
    )
