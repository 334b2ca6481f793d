"""The papers, one folder each; a folder's name is the paper's name here."""

import functools
import importlib
import pathlib
import pkgutil
import types
from typing import Any

from common.errors import did_you_mean

REPOSITORY = pathlib.Path(__file__).parents[1]


@functools.cache
def names() -> tuple[str, ...]:
    """All papers, sorted: the folders with a recipe."""
    found = (m.name for m in pkgutil.iter_modules(__path__) if m.ispkg)
    return tuple(sorted(name for name in found if (folder(name) / "recipe.py").exists()))


def load(paper: str) -> types.ModuleType:
    """The paper's package, with RECIPES and build_model.

    Raises:
        ValueError: if there is no such paper.
    """
    if paper not in names():
        raise ValueError(_unknown(paper, names()))
    return importlib.import_module(f"reproductions.{paper}")


def folder(paper: str) -> pathlib.Path:
    """Where the paper's files lie."""
    return pathlib.Path(__file__).parent / paper


def views(paper: str, variant: str) -> dict[str, Any]:
    """The paper's own test protocols (common.evaluation.protocols) of a variant."""
    return getattr(load(paper), "VIEWS", {}).get(variant, {})


def find(name: str) -> tuple[str, str]:
    """(paper, variant) of a paper's or a variant's name.

    A paper's name means its first variant, the headline network.

    Raises:
        ValueError: if nothing is called that; names what is nearest.
    """
    variants = {v: p for p in names() for v in load(p).RECIPES}
    if name in variants:
        return variants[name], name
    if name in names():
        return name, next(iter(load(name).RECIPES))
    raise ValueError(_unknown(name, (*variants, *names())))


def _unknown(name: str, known: tuple[str, ...]) -> str:
    hint = did_you_mean(name, known)
    return (
        f"There is no paper or variant called {name!r}.{hint} Papers: "
        f"{', '.join(names())}; python -m launch list shows their variants."
    )
