"""Changing a recipe from the command line, every change on record.

`--set field=value` reaches every field of a recipe by its path: nested values
by dots (`optimizer.learning_rate`), the elements of tuples by their index
(`train_transforms.2.size`). A whole part is set as Python writes it:
`schedule=ByEpoch(starts=(0, 30), factors=(1, 0.1))`.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any

from common.errors import UsageError, did_you_mean
from common.recipes.recipe import Deviation, Recipe
from launch.settings import literals
from launch.settings.limits import check

_NOT_SET = {
    "data": "use --data NAME",
    "num_classes": "it follows from --data",
    "channels": "it follows from --data",
    "deviations": "it is the record of what was changed",
}
_SCALED = ("train_transforms", "normalize", "train_noise", "test_transforms")


def apply(recipe: Recipe, settings: list[str] | tuple[str, ...]) -> Recipe:
    """The recipe with `settings` ("epochs=2") and a Deviation for each.

    `image_size` goes first and scales the transforms' pixel sizes with it, so
    that a setting of one transform's size has the last word.

    Raises:
        UsageError: for a field that there is not, a value of a wrong type, or
            a field that is set twice.
    """
    changes = [_split(setting) for setting in settings]
    paths = [path for path, _ in changes]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"--set gives {path} more than once.")
    for path, text in sorted(changes, key=lambda c: c[0] != "image_size"):
        recipe = _apply_one(recipe, path, text)
    if settings:
        try:
            check(recipe)
        except UsageError as error:
            raise UsageError(f"--set {error}") from None
    return recipe


def settings_of(deviations: Iterable[dict]) -> list[str]:
    """What --set said, of the recorded deviations of a recipe."""
    return [f"{d['field']}={d['here']}" for d in deviations if d["reason"].startswith("--set")]


def combined(own: Sequence[str], settings: Sequence[str]) -> list[str]:
    """`own` settings, but for the fields that `settings` set as well."""
    paths = [_split(setting)[0] for setting in settings]
    kept = [
        text for text in own if not any(f"{_split(text)[0]}.".startswith(f"{p}.") for p in paths)
    ]
    return [*kept, *settings]


def scaled_with_batch(recipe: Recipe, paper: Recipe) -> Recipe:
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
            "--scale_learning_rate changes the learning rate as --set "
            "global_batch_size changes the batch"
            + (
                ", and the batch is the paper's."
                if factor == 1
                else f"; it was set to {rate} already. Give one of the two."
            )
        )
    new = rate * factor
    deviation = Deviation(
        field="optimizer.learning_rate",
        paper=str(rate),
        here=str(new),
        reason="--set; --scale_learning_rate: with the batch",
    )
    return dataclasses.replace(
        recipe,
        optimizer=dataclasses.replace(recipe.optimizer, learning_rate=new),
        deviations=(*recipe.deviations, deviation),
    )


def with_data(recipe: Recipe, dataset: Any) -> Recipe:
    """The recipe on another data set, as `--data` asks for.

    Args:
        recipe: The paper's.
        dataset: A common.data.catalog.DataSet.
    """
    if dataset.name == recipe.data:
        return recipe
    deviation = Deviation(
        field="data",
        paper=f"{recipe.data}, {recipe.num_classes} classes",
        here=f"{dataset.title}, {dataset.num_classes} classes",
        reason="--data",
    )
    return dataclasses.replace(
        recipe,
        data=dataset.name,
        num_classes=dataset.num_classes,
        channels=dataset.channels,
        deviations=(*recipe.deviations, deviation),
    )


def _split(setting: str) -> tuple[str, str]:
    path, equals, text = setting.partition("=")
    if not equals:
        raise UsageError(
            f"--set takes field=value, such as --set epochs=2; it was given {setting!r}."
        )
    return path.strip(), text.strip()


def _apply_one(recipe: Recipe, path: str, text: str) -> Recipe:
    if path in _NOT_SET:
        raise UsageError(f"--set cannot change {path}: {_NOT_SET[path]}.")
    changed, old, new = _replaced(recipe, path.split("."), text, path)
    if new == old:
        return recipe
    if path == "image_size" and new < 1:
        raise UsageError(f"--set {path}={text}: it must be at least 1.")
    reason = "--set"
    if path == "image_size":
        changed = _scaled(changed, new / old)
        reason = "--set; the sizes of the transforms are scaled with it"
    deviation = Deviation(field=path, paper=str(old), here=str(new), reason=reason)
    return dataclasses.replace(changed, deviations=(*recipe.deviations, deviation))


def _scaled(recipe: Recipe, factor: float) -> Recipe:
    def scale(value):
        if isinstance(value, tuple):
            return tuple(scale(element) for element in value)
        return value.scaled(factor) if hasattr(value, "scaled") else value

    return dataclasses.replace(recipe, **{name: scale(getattr(recipe, name)) for name in _SCALED})


def _replaced(value: Any, path: list[str], text: str, whole: str) -> tuple:
    """(value with the leaf at `path` replaced, old leaf, new leaf)."""
    head, *rest = path
    if isinstance(value, tuple):
        index = _index(head, len(value), whole)
        annotation, present = Any, value[index]
    else:
        _check_field(value, head, whole)
        annotation = typing.get_type_hints(type(value))[head]
        present = getattr(value, head)
    if rest:
        part, old, new = _replaced(present, rest, text, whole)
    else:
        part = new = _parsed(text, annotation, present, whole)
        old = present
    if isinstance(value, tuple):
        return (*value[:index], part, *value[index + 1 :]), old, new
    return dataclasses.replace(value, **{head: part}), old, new


def _check_field(value: Any, name: str, whole: str) -> None:
    if not dataclasses.is_dataclass(value):
        raise UsageError(f"--set {whole}: {value!r} has no parts, so there is no {name!r} in it.")
    known = [field.name for field in dataclasses.fields(value)]
    if name not in known:
        hint = did_you_mean(name, known)
        raise UsageError(
            f"--set {whole}: {type(value).__name__} has no field {name!r}."
            f"{hint} Its fields: {', '.join(known) or 'none'}."
        )


def _index(text: str, length: int, whole: str) -> int:
    if not text.isdecimal() or int(text) >= length:
        allowed = f"0 to {length - 1}" if length else "none, it is empty"
        raise UsageError(
            f"--set {whole}: {text!r} is no element of that tuple. Its indices: {allowed}."
        )
    return int(text)


def _parsed(text: str, annotation: Any, present: Any, whole: str) -> Any:
    """`text` as the first type of the annotation that it can be read as."""
    kinds = _kinds(annotation, present)
    if text in ("None", "none") and type(None) in kinds:
        return None
    readable = [kind for kind in kinds if _reader(kind)]
    if not readable and literals.looks_like_one(text):
        return literals.read(text, whole, present)
    for kind in readable:
        try:
            return _reader(kind)(text)
        except ValueError:
            continue
    if not readable:
        raise UsageError(
            f"--set {whole}: it is {present!r}, which one value cannot "
            f"replace. Set a part of it, such as {whole}.{_a_part(present)}="
            f"..., or all of it by name: {_spellings(whole, present)}."
        )
    wanted = " or ".join(_name(kind) for kind in kinds)
    raise UsageError(f"--set {whole}={text}: the value must be {wanted}.")


def _kinds(annotation: Any, present: Any) -> tuple:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (type(present),) if annotation is Any else (annotation,)


def _reader(kind: Any):
    """The function that reads `kind` from text (ValueError), or None."""
    if typing.get_origin(kind) is tuple:
        element = _reader(typing.get_args(kind)[0])
        return element and (lambda text: _tuple(text, element))
    return {int: int, float: _finite, bool: _bool, str: str}.get(kind)


def _tuple(text: str, element) -> tuple:
    """From "1, 2", or as Python writes it, "(1, 2)" and "('a', 'b')"."""
    parts = (part.strip(" '\"") for part in text.strip("()").split(","))
    return tuple(element(part) for part in parts if part)


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


def _bool(text: str) -> bool:
    words = {"true": True, "false": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


def _name(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        return f"{_name(typing.get_args(kind)[0])}, separated by commas"
    names = {int: "a whole number", float: "a number", str: "text"}
    names |= {bool: "true or false", type(None): "None"}
    return names.get(kind, getattr(kind, "__name__", str(kind)))


def _spellings(path: str, present: Any) -> str:
    known = literals.classes(path, present)
    return ", ".join(f"{name}(...)" for name in known) or "none is known"


def _a_part(present: Any) -> str:
    if dataclasses.is_dataclass(present):
        fields = dataclasses.fields(present)
        return fields[0].name if fields else "FIELD"
    return "0.FIELD"
