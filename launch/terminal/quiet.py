"""TensorFlow's start without its twenty lines about oneDNN and CUDA."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from common.errors import RunError, UsageError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Holds back what native code writes to stderr; shows it on a crash.

    TensorFlow 2.21 logs from C++ before any log level takes effect.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held, os.fdopen(os.dup(2), "wb") as real:
        os.dup2(held.fileno(), 2)
        try:
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


def count_visible_gpus() -> int:
    """As TensorFlow sees them; CUDA's words about a machine without it are held back."""
    with quiet():
        import tensorflow as tf

        return len(tf.config.list_physical_devices("GPU"))
