"""Values of a recipe's fields from text: numbers, words, tuples of these, and whole parts.

A part is written as Python writes it, `Sgd(momentum=0.9, ...)`. Only classes of recipes,
literals and tuples of these are read; nothing is executed. Importing this module imports
no TensorFlow.
"""

import ast
import contextlib
import dataclasses
import math
import typing
from collections.abc import Callable, Iterator
from typing import Any

from common.data import transforms
from common.errors import UsageError, did_you_mean
from common.recipes import losses, recipe, schedules
from common.recipes.fields import fit, list_kinds

_TRANSFORMS = [one for name, one in sorted(vars(transforms).items()) if name != "Context"]
_SCHEDULES = tuple(vars(schedules).values())
# What a field of the recipe, or of a part of it, can hold.
_KNOWN = {
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
_SEVERAL = ("train_transforms", "train_noise", "test_transforms", "group_schedules")


def read(text: str, kind: Any, path: str, present: Any) -> Any:
    """What the text says for the field at `path`, as for --set.

    Args:
        kind: The field's annotation.
        present: What is there now; a part takes the place of a part, a tuple
            that of a tuple.

    Raises:
        UsageError: if it is nothing that this field can hold.
    """
    kinds = list_kinds(type(present) if kind is Any else kind)
    if text in ("None", "none") and type(None) in kinds:
        return None
    readers, names = zip(*map(_find_reader, kinds), strict=True)
    for reader in filter(None, readers):
        with contextlib.suppress(ValueError):
            return reader(text)
    if any(readers):
        raise UsageError(f"--set {path}={text}: the value must be {' or '.join(names)}.")
    known = list_classes(path, present)
    if "(" in text or text[:1] == "[":
        return _read_part(text, path, known)
    part, first = path, present[0] if present and isinstance(present, tuple) else present
    if first is not present:
        part += ".0"
    parts = dataclasses.fields(first) if dataclasses.is_dataclass(first) else ()
    ways = [f"a part of it, such as {part}.{parts[0].name}=..."] if parts else []
    if known:
        names = (f"{name}(...)" for name in _list_whole(path, known))
        ways.append(f"all of it by name: {', '.join(names)}")
    advice = f"Set {', or '.join(ways)}." if ways else "Leave it as it is."
    raise UsageError(f"--set {path}: it is {present!r}, which one value cannot replace. {advice}")


def list_classes(path: str, present: Any) -> dict[str, type]:
    """The classes that may stand at `path`, by name; also those there now."""
    known = [*_KNOWN.get(path.partition(".")[0], ()), *_find_types(present)]
    return {
        one.__name__: one
        for one in known
        if isinstance(one, type) and dataclasses.is_dataclass(one)
    }


def _list_whole(path: str, known: dict[str, type]) -> dict[str, type]:
    """Those that stand at `path` themselves; schedules are parts of a GroupSchedule."""
    of_groups = path == "group_schedules"
    return {n: k for n, k in known.items() if not of_groups or k is recipe.GroupSchedule}


def _find_types(value: Any) -> Iterator[type]:
    if isinstance(value, tuple):
        for part in value:
            yield from _find_types(part)
    elif dataclasses.is_dataclass(value):
        yield type(value)
        for field in dataclasses.fields(value):
            yield from _find_types(getattr(value, field.name))


def _find_reader(kind: Any) -> tuple[Callable[[str], Any] | None, str]:
    """(what reads `kind` from text, or raises a ValueError; what `kind` is called).

    A tuple is read from "1, 2", or as Python writes it, "(1, 2)" and "('a', 'b')".
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        read_one, name = _find_reader(arguments[0])

        def read_all(text: str) -> tuple:
            parts = (part.strip(" '\"") for part in text.strip("()").split(","))
            return tuple(read_one(part) for part in parts if part)

        return read_one and read_all, f"{name}, separated by commas"
    if origin is typing.Literal:
        words = ", ".join(map(repr, arguments))
        return lambda text: arguments[arguments.index(text)], f"one of {words}"
    return _SCALARS.get(kind, (None, getattr(kind, "__name__", str(kind))))


def _read_number(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


_SCALARS = {
    int: (int, "a whole number"),
    float: (_read_number, "a number"),
    bool: (lambda text: bool(("false", "true").index(text.lower())), "true or false"),
    str: (str, "text"),
    type(None): (None, "None"),
}


def _read_part(text: str, path: str, known: dict[str, type]) -> Any:
    """The part, or the tuple of parts, that the text says."""
    listed = ", ".join(known) or "none"
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UsageError(
            f"--set {path}={text}: it cannot be read. A part is written as "
            f"NAME(FIELD=VALUE, ...), several in brackets; known here: {listed}."
        ) from None
    try:
        value = _evaluate(tree, known)
    except ValueError as error:  # also of a part that refuses its values
        raise UsageError(f"--set {path}={text}: {error}") from None
    several = path in _SEVERAL
    if several and not isinstance(value, tuple):
        value = (value,)
    whole = _list_whole(path, known)
    if not all(type(part) in whole.values() for part in (value if several else (value,))):
        what = "a list of parts" if several else "one part"
        raise UsageError(f"--set {path}={text}: it takes {what}; known here: {', '.join(whole)}.")
    return value


def _evaluate(node: ast.expr, known: dict[str, type]) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(int(value) | float(value))):
            return -value
        case ast.Tuple(elts) | ast.List(elts):
            return tuple(_evaluate(one, known) for one in elts)
        case ast.Call(func=ast.Name(name), args=args, keywords=keywords):
            if name not in known:  # before its values, which may be right elsewhere
                raise UsageError(
                    f"there is no {name!r} here.{did_you_mean(name, known)} Known: "
                    f"{', '.join(known) or 'none'}; CONTRIBUTING.md says how one is added."
                )
            given = [(one.arg, _evaluate(one.value, known)) for one in keywords]
            return _build(known[name], [_evaluate(one, known) for one in args], given)
    raise UsageError(f"{ast.unparse(node)!r} is no value of a recipe.")


def _build(kind: type, values: list, keywords: list[tuple[str, Any]]) -> Any:
    name, fields = kind.__name__, [field.name for field in dataclasses.fields(kind)]
    given = dict([*zip(fields, values, strict=False), *keywords])
    if set(given) != set(fields) or len(values) + len(keywords) != len(fields):
        raise UsageError(
            f"{name} takes {', '.join(fields) or 'nothing'}, each once and none left out."
        )
    hints = typing.get_type_hints(kind)
    return kind(**{n: fit(v, hints[n], f"{name}.{n}") for n, v in given.items()})
