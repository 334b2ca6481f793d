"""A recipe as plain JSON values, and the short hash that names it."""

import dataclasses
import hashlib
import json
from typing import Any

# These say what is measured or written about a run, not how it is trained.
NOT_HASHED = ("deviations", "overrides", "views", "healthy_after")
NETWORK = "network."  # what the paths of the network's parts begin with
# Fields that came later; at these values a recipe is what it was before them,
# and its recorded runs remain runs of it. By class.
ABSENT = {
    "Recipe": {
        "updates": None,
        "patience": None,
        "train_images": None,
        "held_out": 0,
        "initialize_from": None,
        "fine_tuning": None,
        "average_decay": None,
    },
    "InitializeFrom": {"renamed": None},
    "EstimateCurvature": {"kept": 0.0},  # lenet5's
}


def describe(value: Any) -> Any:
    """`value` in JSON's types.

    A dataclass becomes {"class": its name, field: ...}: `dataclasses.asdict` would drop the names,
    and with them which transform it was.

    Raises:
        TypeError: for what cannot be written down faithfully.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: describe(getattr(value, one.name)) for one in dataclasses.fields(value)}
        return {"class": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [describe(element) for element in value]
    if isinstance(value, dict):
        return {str(key): describe(element) for key, element in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "tolist"):  # a NumPy array or scalar
        return value.tolist()
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    raise TypeError(f"a recipe cannot hold {value!r}: it has no description")


def describe_recipe(recipe: Any) -> dict[str, Any]:
    """What is trained, in JSON's types: without what it differs from.

    Of the network only what the command line changed: the rest is in the paper's code.
    """
    left_out = {"deviations": (), "overrides": (), "also_on": (), "network": None}
    described = describe(dataclasses.replace(recipe, **left_out))
    del described["overrides"], described["also_on"], described["network"]
    changed = [one for one in recipe.overrides if one.field.startswith(NETWORK)]
    if changed:
        described["network"] = {
            one.field.removeprefix(NETWORK): describe(one.new) for one in changed
        }
    return described


def restore(described: Any, classes: dict[str, type]) -> Any:
    """The value that was described; `classes` are those that it may be of, by name.

    Raises:
        KeyError, TypeError: if a class or its fields are no longer what they were.
    """
    if isinstance(described, list):
        return tuple(restore(element, classes) for element in described)
    if not isinstance(described, dict):
        return described
    fields = {name: restore(value, classes) for name, value in described.items()}
    return classes[fields.pop("class")](**fields)


def spell(value: Any) -> str:
    """A value, or its description, as Python writes it and --set takes it."""
    return value if isinstance(value, str) else _spell(describe(value))


def _spell(described: Any) -> str:
    if isinstance(described, dict):
        name, *fields = described.items()
        if name[1] == "FineTuning":  # which no --set takes: for people alone
            return _tell_fine_tuning(**dict(fields))
        inside = ", ".join(f"{field}={_spell(value)}" for field, value in fields)
        return f"{name[1]}({inside})"
    if isinstance(described, list):
        inside = ", ".join(map(_spell, described))
        return f"({inside},)" if len(described) == 1 else f"({inside})"
    return repr(described)


def _tell_fine_tuning(
    *, weights: str, sha256: str, frozen: list, body_rate: float, new_layers: list = ()
) -> str:
    told = [f"{weights} ({sha256[:8]})"]
    told += [f"frozen {' '.join(frozen)}"] if frozen else []
    told += [f"body rate x {body_rate:g}"] if body_rate != 1 else []
    told += [f"new {' '.join(new_layers)}"] if new_layers else []
    return "; ".join(told)


def recipe_hash(recipe: Any) -> str:
    """Eight hex digits that differ when what is trained differs.

    `recipe` is a Recipe or its description, as run.json holds it.
    """
    described = recipe if isinstance(recipe, dict) else describe_recipe(recipe)
    kept = {k: v for k, v in described.items() if k not in NOT_HASHED}
    text = json.dumps(_without_absent(kept), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _without_absent(described: Any) -> Any:
    if isinstance(described, list):
        return [_without_absent(element) for element in described]
    if not isinstance(described, dict):
        return described
    absent = ABSENT.get(described.get("class"), {})
    return {
        k: _without_absent(v) for k, v in described.items() if k not in absent or v != absent[k]
    }


def value_at(described: Any, path: str) -> Any:
    """The part of a described recipe that a path such as "train_noise.0.std" names."""
    for name in path.split("."):
        described = described[int(name) if isinstance(described, list) else name]
    return described
