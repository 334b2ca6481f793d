"""Recorded baselines: reproductions/baselines.toml."""

from typing import Any

import reproductions
from launch.report.row_file import RowFile


def file() -> RowFile:
    """Where they are."""
    return RowFile(
        path=reproductions.folder("ilsvrc2016").parent / "baselines.toml",
        kind="baseline",
        key=("data", "split", "read", "seed"),
        header="# Logistic regressions on thumbnails, written by `python -m launch\n"
        "# baseline DATASET --record`; never by hand. Errors in percent.\n",
    )


def of(row: dict[str, Any]) -> dict[str, Any] | None:
    """The baseline of the images that a row of reproduced.toml is of."""
    images = ("data", "split", "read")
    same = (one for one in file().read() if all(one[name] == row[name] for name in images))
    return next(same, None)
