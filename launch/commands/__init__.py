"""One module a verb: how it is written (USAGE), its FLAGS, and `run(words, flags)`.

Importing one imports no TensorFlow: what computes is imported when it is to run.
"""

import importlib
import types

TRAIN = "NAME"  # what stands where another command has its verb
COMMANDS = {
    "list": "papers, variants, size, cost, what was run",
    "runs": "what was trained here, how far it is, its error",
    "audit": "the papers' tables recomputed cell by cell",
    "evaluate": "what a run has wrong, or what each test view costs",
    "predict": "the five likeliest classes of photographs",
    "export": "a model to serve: SavedModel, ONNX, TFLite",
    "describe": "a network block by block, and as a picture",
    "import": "published weights into ours, for evaluate",
    "ensemble": "fuses prediction files of evaluate",
    "submission": "the file of ILSVRC's test server, and its score",
    "prepare": "downloads into records that are read",
    "doctor": "is the prepared data what it should be?",
    "baseline": "logistic regression on a data set's thumbnails",
    "sweep": "searches fields of a recipe (keras-tuner)",
    "queue": "trains what reproductions/queue.toml lists",
    "bench": "what input, step and start cost here, beside their limits",
    "new": "the files of a new paper, to be filled in",
    "report": "records runs, regenerates results.md; or one HTML page",
    "ship": "small trained weights go with the code",
}
_MODULES = {TRAIN: "train", "list": "list_papers", "import": "import_weights"}


def load(command: str) -> types.ModuleType:
    """The module of a command, which TRAIN is, too."""
    return importlib.import_module(f"launch.commands.{_MODULES.get(command, command)}")
