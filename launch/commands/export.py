"""A model to serve, which takes images as they are stored.

A SavedModel is a folder; ONNX and TFLite are a file each, with a record beside it.
"""

import importlib.util
import pathlib
from collections.abc import Sequence

from absl.flags import FlagValues

from common.errors import RunError, UsageError, did_you_mean
from common.evaluation.views import NAMES
from launch.commands.names import find_trained, refuse_words
from launch.settings.flags import items, path, share, text
from launch.terminal.new_files import record_of, require_new
from launch.terminal.quiet import quiet
from launch.weights.bundled_weights import announce, find_network

USAGE = "export RUN --out FOLDER_OR_FILE [--format F]; or export NAME --out ... [--weights FILE]"
FLAGS = share("weights", "preprocessing", "data", "data_dir", "set") | {
    "views": items("the view of a SavedModel; default: the one that the recipe is monitored with"),
    "out": path("a new folder or file"),
    "format": text("savedmodel, onnx or tflite; default: as --out ends, else savedmodel"),
}
ONNX_NEEDS = ("onnx", "tf2onnx")
SUFFIXES = {"savedmodel": "", "onnx": ".onnx", "tflite": ".tflite"}


def run(words: list[str], flags: FlagValues) -> int:
    """Writes the model; exit code 0."""
    if not words or not flags.out:
        raise UsageError(
            f"export takes a run or a name, and what to write: python -m launch {USAGE}."
        )
    refuse_words("export RUN_OR_NAME", words[1:])
    paper, variant = find_trained(words[0], flags)
    kind = read_format(flags.out, flags.format, flags.views)
    network = find_network(USAGE, paper, variant, flags)
    announce(network, "float32", named=bool(flags.weights))
    with quiet():
        from launch.inference import export
    return export.run(network, kind, flags.out, next(iter(flags.views), None))


def read_format(out: pathlib.Path, named: str | None, views: Sequence[str] = ()) -> str:
    """The format of the folder or file to be made.

    Args:
        named: --format; without it the end of `out` says.

    Raises:
        UsageError: if there is no such format, if `out` does not end as its
            files do, or cannot be new; if a view makes no sense.
        RunError: if a package is missing.
    """
    ends = {suffix: name for name, suffix in SUFFIXES.items() if suffix}
    kind = named or ends.get(out.suffix, "savedmodel")
    if kind not in SUFFIXES:
        raise UsageError(
            f"There is no format called {kind!r}.{did_you_mean(kind, SUFFIXES)}"
            f" Known for --format: {', '.join(SUFFIXES)}."
        )
    single = kind != "savedmodel"
    if single and out.suffix != SUFFIXES[kind]:
        raise UsageError(f"--out {out} must end in {SUFFIXES[kind]}.")
    if views and (single or len(views) > 1 or views[0] not in NAMES):
        raise UsageError(
            "A SavedModel looks at an image under one of the views "
            f"{', '.join(NAMES)}, and the other formats have none: they take "
            f"pixels. --views gave {','.join(views)}."
        )
    for new in [out] + [record_of(out)] * single:
        served = new.absolute().parent
        # A SavedModel's number lies in a folder of the model's: served/1.
        makes_it = not single and not served.exists()
        require_new(served if makes_it else new, "--out")
    missing = [name for name in ONNX_NEEDS if not importlib.util.find_spec(name)]
    if kind == "onnx" and missing:
        raise RunError(
            f"ONNX files are written by {' and '.join(missing)}, which is not "
            "installed: pip install -e '.[onnx]' in the project's folder."
        )
    return kind
