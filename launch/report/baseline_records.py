"""Recorded baselines: reproductions/baselines.toml."""

import pathlib
from typing import Any

import reproductions
from common.files import write_text
from launch.report.toml_rows import read_rows, toml_row

# Two rows that agree in these are the same measurement: the later one stays.
KEY = ("data", "split", "read", "seed")
NEEDED = (*KEY, "num_images", "wrong", "top1_error", "c", "command", "commit")
HEADER = (
    "# Logistic regressions on thumbnails, written by `python -m launch\n"
    "# baseline DATASET --record`; never by hand. Errors in percent.\n"
)


def add(row: dict[str, Any]) -> pathlib.Path:
    """Writes a row in place of its older self; the file that has it."""
    kept = {_key(one): one for one in (*read(), row)}
    rows = "".join(toml_row("baseline", kept[key]) for key in sorted(kept))
    write_text(_file(), HEADER + rows)
    return _file()


def read() -> list[dict[str, Any]]:
    """The recorded rows; none if there is no file.

    Raises:
        RunError: if the file is damaged or a row lacks a key.
    """
    return read_rows(_file(), "baseline", NEEDED)


def of(row: dict[str, Any]) -> dict[str, Any] | None:
    """The baseline of the images that a row of reproduced.toml is of."""
    what = (row["data"], row["split"], row["read"])
    found = [b for b in read() if what == (b["data"], b["split"], b["read"])]
    return found[0] if found else None


def _file() -> pathlib.Path:
    return reproductions.folder("ilsvrc2016").parent / "baselines.toml"


def _key(row: dict[str, Any]) -> tuple:
    return tuple(str(row[name]) for name in KEY)
