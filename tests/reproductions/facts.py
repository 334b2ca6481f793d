"""Facts of the papers that are no printed number: facts/PAPER.toml.

A `[[recipe]]` has every field that is not Recipe's default, spelled as --set takes it;
`like` is a variant whose fields stand where the row says nothing. A `[[network]]` has
what its layers have besides their sizes, as `constants` finds it.
"""

import collections
import dataclasses
import functools
import pathlib
import re

import tomli

from common.recipes.recipe import Recipe
from common.recipes.serialization import spell

FOLDER = pathlib.Path(__file__).parent / "facts"
LEFT_OUT = ("deviations", "overrides", "network")  # of a network: its own rows
FIELDS = [f for f in dataclasses.fields(Recipe) if f.name not in LEFT_OUT]
OPTIONAL = [field for field in FIELDS if field.default is not dataclasses.MISSING]


@functools.cache
def read(kind):
    """variant -> its row of that kind, of all papers."""
    rows = {}
    for path in FOLDER.glob("*.toml"):
        for row in tomli.loads(path.read_text())[kind]:
            for variant in row.pop("variants"):
                assert variant not in rows, f"{path}: {variant} stands there twice"
                rows[variant] = row
    return rows


def spell_field(value):
    """A text, or of a tuple those of its elements."""
    return [spell(element) for element in value] if isinstance(value, tuple) else str(spell(value))


def recipe_facts(variant):
    """field -> its value, spelled."""
    assert variant in read("recipe"), f"{FOLDER} has no [[recipe]] of {variant}"
    row = dict(read("recipe")[variant])
    like = row.pop("like", None)
    facts = recipe_facts(like) if like else {f.name: spell_field(f.default) for f in OPTIONAL}
    return facts | {k: v if isinstance(v, list) else spell_field(v) for k, v in row.items()}


def constants(model):
    """Activations, normalisation, kernels without biases; dropout and LRN, and how often."""
    found, counted = set(), collections.Counter()
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "Dropout":
            counted[re.sub(r"\d+", "N", layer.name) + f" {layer.rate:g}"] += 1
        if kind == "LocalResponseNormalization":
            sizes = layer.n, layer.k, layer.alpha, layer.beta, layer.groups
            counted["LRN" + "".join(f" {size:g}" for size in sizes)] += 1
        if kind == "BatchNormalization":
            found.add(f"{kind} {layer.epsilon:g} {layer.momentum:g}")
        if kind == "ReLU":
            found.add("relu")
        if hasattr(layer, "activation"):
            found.add(layer.activation.__name__)
        if not getattr(layer, "use_bias", True):
            found.add(f"{kind} without bias")
    return found - {"linear"} | {f"{number} {text}" for text, number in counted.items()}
