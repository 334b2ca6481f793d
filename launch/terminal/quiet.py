"""TensorFlow's start without its twenty lines about oneDNN and CUDA, in two thirds of the time."""

import contextlib
import gc
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator

from common.errors import RunError, UsageError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Keras imports them where they are installed, for wrappers and galleries that nothing here
# uses: 1.2 of 4 CPU seconds.
LEFT_OUT = ("matplotlib", "sklearn")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Holds back what native code writes to stderr; shows it on a crash. Keras is there inside.

    TensorFlow 2.21 logs from C++ before any log level takes effect.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held, os.fdopen(os.dup(2), "wb") as real:
        os.dup2(held.fileno(), 2)
        try:
            import_keras()
            yield
        except (UsageError, RunError):
            raise  # says all there is to say
        except BaseException:
            held.seek(0)
            real.write(held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(real.fileno(), 2)


def import_keras() -> None:
    """Imports Keras, once, as if LEFT_OUT were not installed; later they are as ever."""
    if "keras" in sys.modules:
        return  # nor is what lives by now frozen
    hidden = [name for name in LEFT_OUT if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # at None an import fails
    gc.disable()  # its 400,000 objects stay: looking for garbage is a quarter of what it costs
    try:
        importlib.import_module("keras")
    finally:
        gc.freeze()
        gc.enable()
        for name in hidden:
            del sys.modules[name]


def count_visible_gpus() -> int:
    """As TensorFlow sees them; CUDA's words about a machine without it are held back."""
    with quiet():
        import tensorflow as tf

        return len(tf.config.list_physical_devices("GPU"))
