"""Exports that are imported when they are first asked for."""

import importlib
from collections.abc import Callable
from typing import Any


def on_demand(package: str, **homes: str) -> Callable[[str], Any]:
    """A module `__getattr__`: `name="module"` is imported on first use.

    A paper's recipe is plain data, its network needs TensorFlow: with this,
    importing the paper does not import TensorFlow.
    """

    def module_getattr(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"{package} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return module_getattr
