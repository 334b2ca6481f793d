"""What export was asked for, checked before TensorFlow loads."""

import importlib.util
import pathlib
from collections.abc import Sequence

from common.errors import RunError, UsageError, did_you_mean
from common.evaluation.views import NAMES
from launch.terminal.new_files import require_new

ONNX_NEEDS = ("onnx", "tf2onnx")
SUFFIXES = {"savedmodel": "", "onnx": ".onnx", "tflite": ".tflite"}


def read(out: str, named: str | None, views: Sequence[str] = ()) -> tuple[str, pathlib.Path]:
    """(format, the folder or file to be made).

    Args:
        out: --out.
        named: --format; without it the end of `out` says.
        views: --views.

    Raises:
        UsageError: if there is no such format, if `out` does not end as its
            files do, or cannot be new; if a view makes no sense.
        RunError: if a package is missing.
    """
    path = pathlib.Path(out).expanduser()
    ends = {suffix: name for name, suffix in SUFFIXES.items() if suffix}
    kind = named or ends.get(path.suffix, "savedmodel")
    _check_format(kind)
    single = kind != "savedmodel"
    if single and path.suffix != SUFFIXES[kind]:
        raise UsageError(f"--out {path} must end in {SUFFIXES[kind]}.")
    if not single and path.suffix in ends:
        raise UsageError(
            f"--out {path} ends as a file of {ends[path.suffix]}; a SavedModel "
            "is a folder. Leave out --format, or give another --out."
        )
    if views and (single or len(views) > 1 or views[0] not in NAMES):
        raise UsageError(
            "A SavedModel looks at an image under one of the views "
            f"{', '.join(NAMES)}, and the other formats have none: they take "
            f"pixels. --views gave {','.join(views)}."
        )
    for new in [path] + [record_of(path)] * single:
        served = new.absolute().parent
        # A SavedModel's number lies in a folder of the model's: served/1.
        makes_it = not single and not served.exists()
        require_new(served if makes_it else new, "--out")
    if kind == "onnx":
        _require(ONNX_NEEDS)
    return kind, path


def _check_format(kind: str) -> None:
    if kind not in SUFFIXES:
        raise UsageError(
            f"There is no format called {kind!r}.{did_you_mean(kind, SUFFIXES)}"
            f" Known for --format: {', '.join(SUFFIXES)}."
        )


def _require(packages: tuple[str, ...]) -> None:
    missing = [name for name in packages if not importlib.util.find_spec(name)]
    if missing:
        raise RunError(
            f"ONNX files are written by {' and '.join(missing)}, which is not "
            "installed: pip install -e '.[onnx]' in the project's folder."
        )


def record_of(file: pathlib.Path) -> pathlib.Path:
    """The JSON file beside an exported file."""
    return file.with_name(file.name + ".json")
