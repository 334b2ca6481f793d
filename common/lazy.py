"""NumPy and TensorFlow, imported when something of them is first used.

That takes a tenth of a second, and seconds: `--help`, `list`, `report` and usage
errors do without them, and import many modules that compute.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
else:

    class _Lazy:
        def __init__(self, name: str):
            self._name = name

        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module(self._name), name)

    np, tf = _Lazy("numpy"), _Lazy("tensorflow")
