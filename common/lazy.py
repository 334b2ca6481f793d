"""TensorFlow, imported when something of it is first used.

That takes seconds: `--help`, `list`, `report` and usage errors do without it,
and import many modules that compute.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf
else:

    class _TensorFlow:
        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module("tensorflow"), name)

    tf = _TensorFlow()
