"""Weights that come with the code.

A shipped run is what is left of a run's folder, reproductions/PAPER/trained/VARIANT: its
weights, its run.json, and the statistics that its recipe subtracts. `python -m launch ship RUN`
makes it.
"""

import pathlib

import reproductions
from common.training.run_record import read_json

FOLDER = "trained"  # in the paper's


def find_folder(paper: str, variant: str) -> pathlib.Path:
    """The folder of a variant's shipped run, which may not be there."""
    return reproductions.folder(paper) / FOLDER / variant


def list_variants() -> list[str]:
    """Those that have shipped weights."""
    return [run.parent.name for run in _list_records()]


def shipped_class_names(data: str) -> list[str] | None:
    """Those of a data set that shipped weights were trained on; None of others."""
    records = (read_json(run) for run in _list_records())
    return next((one["class_names"] for one in records if one["recipe"]["data"] == data), None)


def _list_records() -> list[pathlib.Path]:
    return [
        run
        for paper in reproductions.names()
        for run in sorted(find_folder(paper, "").glob("*/run.json"))
    ]
