"""One module a verb: how it is written (USAGE), its FLAGS, and `run(words, flags)`.

Importing one imports no TensorFlow: what computes is imported when it is to run.
"""

import importlib
import types

from launch.names import TRAIN

_MODULES = {TRAIN: "train", "list": "list_papers", "import": "import_weights"}


def load(command: str) -> types.ModuleType:
    """The module of a command, which TRAIN is, too."""
    return importlib.import_module(f"launch.commands.{_MODULES.get(command, command)}")
