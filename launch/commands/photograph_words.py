"""What predict was asked for, checked before TensorFlow loads."""

import dataclasses
import pathlib
import sys
from collections.abc import Sequence

from common.data.sources import photographs
from common.errors import UsageError
from common.evaluation import views
from launch.terminal.new_files import require_new


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """Which photographs, under which view, onto which contact sheet.

    Attributes:
        view: None means the one that the recipe is monitored with.
        sheet: A PNG file to be made; or None.
    """

    paths: tuple[pathlib.Path, ...]
    view: str | None
    sheet: pathlib.Path | None


def read(words: Sequence[str], named: Sequence[str], out: str | None) -> Asked:
    """The words after NAME, --views and --out.

    Raises:
        UsageError: if a photograph is not there, if there is more than one
            view or one that is not of the recipe's frame, or if the sheet
            cannot be a new file.
    """
    if len(named) > 1 or not set(named) <= set(views.NAMES):
        raise UsageError(
            "predict looks at a photograph under one of the views "
            f"{', '.join(views.NAMES)}; --views gave {','.join(named)}."
        )
    paths, notes = photographs.find(words)
    for note in notes:
        print(note, file=sys.stderr)
    return Asked(
        paths=paths,
        view=named[0] if named else None,
        sheet=_new_sheet(pathlib.Path(out).expanduser()) if out else None,
    )


def _new_sheet(path: pathlib.Path) -> pathlib.Path:
    if path.suffix.lower() != ".png":
        raise UsageError(f"--out {path} must end in .png: it is a picture.")
    require_new(path, "--out")
    return path
