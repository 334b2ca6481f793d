"""Changing a recipe from the command line, every change on record.

`--set field=value` reaches every field of a recipe by its path: nested values
by dots (`optimizer.learning_rate`), the elements of tuples by their index
(`train_transforms.2.size`), what its network is made of by name (`dropout`, which is
`network.dropout`). A whole part is set as Python writes it:
`schedule=ByEpoch(starts=(0, 30), factors=(1, 0.1))`.
"""

import dataclasses
import typing
from collections.abc import Sequence
from typing import Any

from common.errors import UsageError, did_you_mean
from common.recipes.recipe import Override, Recipe
from common.recipes.serialization import NETWORK, restore
from launch.settings import values
from launch.settings.limits import check

_NOT_SET = {
    "data": "use --data NAME",
    "also_on": "it says what the paper does",
    "num_classes": "it follows from --data",
    "channels": "it follows from --data",
    "deviations": "it is the record of where the recipe leaves its paper",
    "overrides": "it is the record of what was changed",
    "fine_tuning": "use --from, --freeze and --body_rate",
    "network": "name a part of it, such as network.dropout",
}
_FIELDS = tuple(field.name for field in dataclasses.fields(Recipe))
# Other people's words for a recipe's fields; what is neither is of the network.
WORDS = {
    "lr": "optimizer.learning_rate",
    "learning_rate": "optimizer.learning_rate",
    "momentum": "optimizer.momentum",
    "batch_size": "global_batch_size",
}
_SCALED = ("train_transforms", "normalize", "train_noise", "test_transforms")


def apply(recipe: Recipe, changes: Sequence[str | Override]) -> Recipe:
    """The recipe with `changes`, and an Override on record for each.

    `image_size` goes first and scales the transforms' pixel sizes with it, and whole
    parts before what is set in them, so that a setting of one transform's size has the
    last word.

    Args:
        changes: What --set says ("epochs=2"), or what a run has on record.

    Raises:
        UsageError: for a field that there is not, a value of a wrong type, or
            a field that is set twice.
    """
    paths = [path_of(change) for change in changes]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"--set gives {path} more than once.")

    def place(change: str | Override) -> tuple[bool, bool]:
        path = path_of(change)
        return path != "image_size", not any(p.startswith(f"{path}.") for p in paths)

    for change in sorted(changes, key=place):
        recipe = _apply_one(recipe, change)
    if changes:
        try:
            check(recipe)
        except UsageError as error:
            raise UsageError(f"--set {error}") from None
    return recipe


def path_of(change: str | Override) -> str:
    """The path of the field that is changed.

    Raises:
        UsageError: for a text that is no FIELD=VALUE.
    """
    if isinstance(change, Override):
        return change.field
    path, equals, _ = change.partition("=")
    if not equals:
        raise UsageError(
            f"--set takes field=value, such as --set epochs=2; it was given {change!r}."
        )
    return spell_out(path.strip())


def spell_out(path: str) -> str:
    """A field's path from a word for it: `network.dropout` from `dropout`."""
    if path.partition(".")[0] in _FIELDS:
        return path
    return WORDS.get(path, NETWORK + path)


def combine(own: Sequence[str | Override], settings: Sequence[str]) -> list[str | Override]:
    """`own` changes, but for the fields that `settings` set as well."""
    paths = [path_of(setting) for setting in settings]
    kept = [one for one in own if not any(f"{path_of(one)}.".startswith(f"{p}.") for p in paths)]
    return [*kept, *settings]


def scale_with_batch(recipe: Recipe, paper: Recipe) -> Recipe:
    """The learning rate times as much as the batch was changed, on record.

    The linear rule of Goyal et al. 2017 (arXiv:1706.02677), Sec. 2.1, without
    its warm-up.

    Raises:
        UsageError: if the batch is the paper's, or the rate was set as well.
    """
    factor = recipe.global_batch_size / paper.global_batch_size
    rate, own = recipe.optimizer.learning_rate, paper.optimizer.learning_rate
    if factor == 1 or rate != own:
        raise UsageError(
            "--scale_learning_rate changes the learning rate as --set global_batch_size changes "
            f"the batch: set that, to other than {paper.global_batch_size}, and not the rate."
        )
    new = rate * factor
    override = Override(field="optimizer.learning_rate", old=rate, new=new)
    return dataclasses.replace(
        recipe,
        optimizer=dataclasses.replace(recipe.optimizer, learning_rate=new),
        overrides=(*recipe.overrides, override),
    )


def with_data(recipe: Recipe, dataset: Any) -> Recipe:
    """The recipe for another data set; an Override unless the paper trains on it, too.

    Args:
        recipe: The paper's.
        dataset: A common.data.dataset.DataSet.
    """
    if dataset.name == recipe.data:
        return recipe
    override = Override(
        field="data",
        old=f"{recipe.data}, {recipe.num_classes} classes",
        new=f"{dataset.title}, {dataset.num_classes} classes",
    )
    own = dataset.name in recipe.also_on
    return dataclasses.replace(
        recipe,
        data=dataset.name,
        num_classes=dataset.num_classes,
        channels=dataset.channels,
        overrides=recipe.overrides if own else (*recipe.overrides, override),
    )


def _apply_one(recipe: Recipe, change: str | Override) -> Recipe:
    path = path_of(change)
    field = path.partition(".")[0]
    if path.startswith(NETWORK):
        _check_part(recipe, path.removeprefix(NETWORK))
    elif field in _NOT_SET and not isinstance(change, Override):
        raise UsageError(f"--set cannot change {path}: {_NOT_SET[field]}.")
    changed, old, new = _replace(recipe, Any, path.split("."), change, path)
    if new == old:
        return recipe
    if path == "image_size":
        parts = {name: _scale(getattr(changed, name), new / old) for name in _SCALED}
        changed = dataclasses.replace(changed, **parts)
    override = Override(field=path, old=old, new=new)
    return dataclasses.replace(changed, overrides=(*recipe.overrides, override))


def _scale(value: Any, factor: float) -> Any:
    if isinstance(value, tuple):
        return tuple(_scale(element, factor) for element in value)
    return value.scaled(factor) if hasattr(value, "scaled") else value


def _check_part(recipe: Recipe, path: str) -> None:
    """Refuses what is neither a field of the recipe nor a part of its network."""
    network, name = recipe.network, path.partition(".")[0]
    parts = [field.name for field in dataclasses.fields(network)] if network else []
    fields = [name for name in _FIELDS if name not in _NOT_SET]
    if name not in parts:
        raise UsageError(
            f"--set {path}: the recipe has no field {name!r}, and its network no part of that "
            f"name.{did_you_mean(name, (*fields, *WORDS, *parts))} Fields: {', '.join(fields)}. "
            f"Parts of the network: {', '.join(parts) or 'none'}."
        )


def _replace(value: Any, kind: Any, path: list[str], change: str | Override, whole: str) -> tuple:
    """(value, of an annotation `kind`, with the leaf at `path` replaced; old leaf; new leaf)."""
    if not path:
        new = _read_leaf(value, kind, change, whole)
        return new, value, new
    head, *rest = path
    if isinstance(value, tuple):
        if not head.isdecimal() or int(head) >= len(value):
            allowed = f"0 to {len(value) - 1}" if value else "none, it is empty"
            raise UsageError(
                f"--set {whole}: {head!r} is no element of that tuple. Its indices: {allowed}."
            )
        place = int(head)
        part, old, new = _replace(value[place], Any, rest, change, whole)
        return (*value[:place], part, *value[place + 1 :]), old, new
    if not dataclasses.is_dataclass(value):
        raise UsageError(f"--set {whole}: {value!r} has no parts, so there is no {head!r} in it.")
    known = [field.name for field in dataclasses.fields(value)]
    if head not in known:
        raise UsageError(
            f"--set {whole}: {type(value).__name__} has no field {head!r}."
            f"{did_you_mean(head, known)} Its fields: {', '.join(known) or 'none'}."
        )
    kind = typing.get_type_hints(type(value))[head]
    part, old, new = _replace(getattr(value, head), kind, rest, change, whole)
    return dataclasses.replace(value, **{head: part}), old, new


def _read_leaf(present: Any, kind: Any, change: str | Override, whole: str) -> Any:
    if isinstance(change, str):
        return values.read(change.partition("=")[2].strip(), kind, whole, present)
    try:
        return restore(change.new, values.list_classes(change.field, present))
    except (KeyError, TypeError) as error:
        raise UsageError(f"--set {whole}: it cannot be {change.new!r} ({error}).") from None
