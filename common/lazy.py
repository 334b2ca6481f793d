"""NumPy, h5py, TensorFlow and Keras, imported when something of them is first used.

That takes tenths of a second, and seconds: `--help`, `list`, `report` and usage
errors do without them, and import many modules that compute.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py
    import keras
    import numpy as np
    import tensorflow as tf
else:

    class _Lazy:
        def __init__(self, name: str):
            self._name = name

        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module(self._name), name)

    np, h5py = _Lazy("numpy"), _Lazy("h5py")
    tf, keras = _Lazy("tensorflow"), _Lazy("keras")
