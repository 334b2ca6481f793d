"""Parts of a recipe from text, as Python writes them: `Sgd(momentum=0.9, ...)`.

Only classes of recipes, literals and tuples of these are read; nothing is
executed. Importing this module imports no TensorFlow.
"""

import ast
import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any

from common.data import transforms
from common.errors import UsageError, did_you_mean
from common.recipes import losses, recipe, schedules

_TRANSFORMS = tuple(vars(transforms).values())
_SCHEDULES = tuple(vars(schedules).values())
# What a field of the recipe, or of a part of it, can hold.
KNOWN = {
    "optimizer": (recipe.Sgd, recipe.RmsProp),
    "schedule": _SCHEDULES,
    "group_schedules": (recipe.GroupSchedule, *_SCHEDULES),
    "weight_decay": (recipe.WeightDecay,),
    "initialize_from": (recipe.InitializeFrom,),
    "fine_tuning": (recipe.FineTuning,),
    "loss": tuple(vars(losses).values()),
    "train_transforms": _TRANSFORMS,
    "normalize": _TRANSFORMS,
    "train_noise": _TRANSFORMS,
    "test_transforms": _TRANSFORMS,
}
_SEVERAL = ("train_transforms", "train_noise", "test_transforms")
_SEVERAL += ("group_schedules",)


def classes(path: str, present: Any) -> dict[str, type]:
    """The classes that may stand at `path`, by name; also those there now."""
    known = [*KNOWN.get(path.partition(".")[0], ()), *_find_types(present)]
    return {
        one.__name__: one
        for one in known
        if isinstance(one, type) and dataclasses.is_dataclass(one)
    }


def _find_types(value: Any) -> Iterator[type]:
    if isinstance(value, tuple):
        for part in value:
            yield from _find_types(part)
    elif dataclasses.is_dataclass(value):
        yield type(value)
        for field in dataclasses.fields(value):
            yield from _find_types(getattr(value, field.name))


def looks_like_one(text: str) -> bool:
    """Whether the text is meant as a part: a call, or a list of them."""
    return "(" in text or text[:1] == "["


def read(text: str, path: str, present: Any) -> Any:
    """The part, or the tuple of parts, that the text says.

    Args:
        path: Of the field, as for --set.
        present: What is there now; a part takes the place of a part, a tuple
            that of a tuple.

    Raises:
        UsageError: if it is none, or one that this field cannot hold.
    """
    known = classes(path, present)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UsageError(
            f"--set {path}={text}: it cannot be read. A part is written as "
            f"NAME(FIELD=VALUE, ...), several in brackets; known here: "
            f"{', '.join(known) or 'none'}."
        ) from None
    try:
        value = _evaluate(tree, known)
    except ValueError as error:  # also of a part that refuses its values
        raise UsageError(f"--set {path}={text}: {error}") from None
    several = path in _SEVERAL
    if several and not isinstance(value, tuple):
        value = (value,)
    parts = value if several else (value,)
    if not all(type(part) in known.values() for part in parts):
        what = "a list of parts" if several else "one part"
        raise UsageError(
            f"--set {path}={text}: it takes {what}; known here: {', '.join(known) or 'none'}."
        )
    return value


def _evaluate(node: ast.expr, known: dict[str, type]) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(int(value))):
            return -value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(float(value))):
            return -value
        case ast.Tuple(elts) | ast.List(elts):
            return tuple(_evaluate(one, known) for one in elts)
        case ast.Call(func=ast.Name(name), args=args, keywords=keywords):
            return _build(name, args, keywords, known)
    raise UsageError(f"{ast.unparse(node)!r} is no value of a recipe.")


def _build(name: str, args: list, keywords: list, known: dict) -> Any:
    if name not in known:
        raise UsageError(
            f"there is no {name!r} here.{did_you_mean(name, known)} Known: "
            f"{', '.join(known) or 'none'}."
        )
    fields = dataclasses.fields(known[name])
    names = [field.name for field in fields]
    values = [_evaluate(one, known) for one in args]
    given = dict(zip(names, values, strict=False))
    given |= {one.arg: _evaluate(one.value, known) for one in keywords}
    wrong = set(given) ^ set(names)
    if wrong or len(args) + len(keywords) != len(names):
        raise UsageError(
            f"{name} takes {', '.join(names) or 'nothing'}, each once and none left out."
        )
    hints = typing.get_type_hints(known[name])
    return known[name](**{n: _coerce(v, hints[n], f"{name}.{n}") for n, v in given.items()})


def _coerce(value: Any, kind: Any, where: str) -> Any:
    """The value as its field has it: whole numbers where floats are, too."""
    kinds = (kind,)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kinds = typing.get_args(kind)
    if Any in kinds or type(value) in kinds:
        return value
    if float in kinds and type(value) is int:
        return float(value)
    for one in kinds:
        if typing.get_origin(one) is tuple and isinstance(value, tuple):
            element = typing.get_args(one)[0]
            return tuple(_coerce(part, element, where) for part in value)
        if isinstance(one, type) and isinstance(value, one):
            return value
        if callable(value) and "Callable" in str(one):
            return value
    wanted = getattr(kind, "__name__", str(kind))
    raise UsageError(f"{where} is {value!r}; it takes {wanted}.")
