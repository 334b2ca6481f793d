"""Files that appear whole or stay as they were; and the folders where things lie if not said."""

import contextlib
import csv
import errno
import io
import json
import math
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from common.errors import NoRoom, NotFinite, RunError

_OF_A_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
_OF_A_PLACE = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ENOENT)
_CODES = (*_OF_A_DISK, *_OF_A_PLACE, errno.EFBIG)
_HDF5_EACH = 4096  # bytes that HDF5 needs for a variable beside its values
_LONGEST = 200  # bytes of a name, so that what is put around it still fits


def cache_dir() -> pathlib.Path:
    """Where what can be computed again is kept; common/data/README.md says what."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base, "classic-convnets")


def default_data_dir() -> str:
    """Where TFDS data sets lie if --data_dir does not say; it may begin with ~."""
    return os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"


@contextlib.contextmanager
def writing(target: pathlib.Path | str) -> Iterator[None]:
    """Says of a failure to write inside what could not be written, and why.

    Raises:
        RunError: for an error of the system, whoever met it: Python, HDF5 or
            TensorFlow.
    """
    try:
        yield
    except Exception as error:
        why = reason(error)
        if why is None:
            raise
        raise RunError(
            f"{target} could not be written: {why}. Nothing of it is left. "
            "Make room or give another place, then run the same command again."
        ) from error


def reason(error: BaseException) -> str | None:
    """What the system said, in its words; None if it is no such error.

    HDF5 and TensorFlow have the words somewhere in errors of their own.
    """
    known = [words for words in map(os.strerror, _CODES) if words in str(error)]
    if isinstance(error, OSError):
        return error.strerror or (known or [str(error)])[0]
    tensorflow = sys.modules.get("tensorflow")
    theirs = (tensorflow.errors.OpError,) if tensorflow else ()
    return known[0] if known and isinstance(error, (RuntimeError, *theirs)) else None


def refused(error: BaseException | None) -> bool:
    """Whether a disk that is full, read-only or broken is behind an error."""
    while error is not None:
        if isinstance(error, NoRoom) or reason(error) in map(os.strerror, _OF_A_DISK):
            return True
        error = error.__cause__
    return False


@contextlib.contextmanager
def whole(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """A path, of the same ending, for a file or folder that becomes `target` if all goes well.

    Raises:
        RunError: if writing fails; see `writing`.
    """
    name = os.fsencode(target.name)[-_LONGEST:].decode(errors="ignore")
    made = target.with_name(f".{os.getpid()}.{name}")
    with writing(target), _becoming(target, made):
        yield made


@contextlib.contextmanager
def _becoming(target: pathlib.Path, made: pathlib.Path) -> Iterator[None]:
    """Renames what was made, or leaves nothing of it."""
    try:
        yield
        os.replace(made, target)
    finally:
        if made.is_dir():
            shutil.rmtree(made, ignore_errors=True)
        with contextlib.suppress(OSError):  # of a disk that is gone: it would hide the first
            made.unlink(missing_ok=True)


def save_weights(
    model: Any, target: pathlib.Path, note: Callable[[pathlib.Path], None] | None = None
) -> None:
    """A Keras model's weights, .weights.h5; whole or not at all.

    Args:
        model: Built; its optimizer's state is saved, too, if it has one.
        target: The file.
        note: Called with the file before it appears, to add to it.

    Raises:
        RunError: if writing fails.
    """
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *(optimizer.variables if optimizer else ())]
    sizes = [4 * math.prod(v.shape) for v in variables]
    with whole(target) as made:
        # HDF5 ends the whole process where a disk becomes full.
        with open(made, "wb") as file:
            room = sum(sizes) + _HDF5_EACH * (len(sizes) + 16)
            os.posix_fallocate(file.fileno(), 0, room)
        model.save_weights(made)
        if note:
            note(made)


def write_atomically(target: pathlib.Path, write: Callable) -> None:
    """Calls `write(binary file)`; `target` appears whole or stays as it was.

    Raises:
        OSError: if writing fails.
    """
    name = os.fsencode(target.name)[:_LONGEST].decode(errors="ignore")
    part = target.with_name(f".{name}.{os.getpid()}.part")
    try:
        with _becoming(target, part), open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.filename is None or error.filename == str(part):
            error.filename, error.filename2 = str(target), None
        raise


def write_json(file: pathlib.Path, value: Any) -> None:
    """Writes indented JSON atomically.

    Raises:
        NotFinite: if a value is NaN or infinite, which JSON has no word for;
            names its place. The file stays as it was.
    """
    write_text(file, json_text(file, value, indent=1) + "\n")


def json_text(file: pathlib.Path, value: Any, **how: Any) -> str:
    """JSON that any reader takes, for `file`; raises as write_json."""
    if odd := next(_not_finite(value, ""), None):
        raise NotFinite(
            f"{file} was not written: {odd}, which is no result. Something before it has diverged."
        )
    return json.dumps(value, allow_nan=False, **how)


def _not_finite(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield f"its {path.lstrip('.')} would be {value}"
    elif isinstance(value, dict | list | tuple):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from _not_finite(part, f"{path}.{key}")


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV, with line ends of this system's other files."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_text(file: pathlib.Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    write_atomically(file, lambda stream: stream.write(text.encode()))


def update_text(file: pathlib.Path, text: str) -> bool:
    """Writes text where it is not there yet, atomically; whether it had to."""
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    write_text(file, text)
    return True
