"""Whether a value is what a field's annotation says. Imports no TensorFlow."""

import types
import typing
from typing import Any

from common.errors import UsageError


def list_kinds(kind: Any) -> tuple:
    """The types that an annotation allows: those of a union, or itself."""
    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    return typing.get_args(kind) if union else (kind,)


def fit(value: Any, kind: Any, where: str) -> Any:
    """The value as its field has it: whole numbers where floats are, too.

    Args:
        kind: The field's annotation.
        where: The field, for the error.

    Raises:
        UsageError: if the field cannot hold it.
    """
    kinds = list_kinds(kind)
    if Any in kinds or type(value) in kinds:
        return value
    if float in kinds and type(value) is int:
        return float(value)
    for one in kinds:
        if typing.get_origin(one) is tuple and isinstance(value, tuple):
            return tuple(fit(part, typing.get_args(one)[0], where) for part in value)
        if isinstance(one, type) and isinstance(value, one):
            return value
        if callable(value) and "Callable" in str(one):
            return value
    raise UsageError(f"{where} is {value!r}; it takes {getattr(kind, '__name__', str(kind))}.")
