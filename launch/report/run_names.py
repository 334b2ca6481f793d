"""Short names for runs that stand beside each other: what differs between them, in words."""

import pathlib
import re
from collections.abc import Sequence
from typing import Any

from common.recipes.serialization import NOT_HASHED, spell, value_at
from common.training.run_record import overrides_of
from launch.settings.options import short_name, shorten_path

SPOKEN = {"None": "off", "False": "off", "()": "off", "True": "on"}
LONGEST = 80  # characters of a name: two lines below a picture
PLAIN = ("variant", "data", "precision")  # whose value says what it is of


def name_runs(folders: Sequence[pathlib.Path], runs: Sequence[dict]) -> list[str]:
    """A name for each run.json, such as "dropout off, seed 1".

    Where one would be long or empty, or two the same, all are called as their folders.
    """
    olds = {(run["variant"], one.field): one.old for run in runs for one in overrides_of(run)}
    fields = dict.fromkeys(field for _, field in olds)
    changed = [field for field in fields if field != "data" and field not in NOT_HASHED]
    told: list[list[str]] = [[] for _ in runs]
    for field in (*PLAIN[:2], *changed, "precision", "seed"):
        texts = [_say(field, _value(run, field, olds)) for run in runs]
        word = "" if field in PLAIN else re.sub(r"[._]", " ", shorten_path(field)) + " "
        if len(set(texts)) > 1:
            for own, text in zip(told, texts, strict=True):
                own += [word + text] * bool(text)
    names = [", ".join(own) for own in told]
    if not all(names) or max(map(len, names)) > LONGEST or len(set(names)) < len(names):
        names = [folder.name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _value(run: dict, field: str, olds: dict[tuple[str, str], Any]) -> Any:
    """What the run has there; where its recipe has no such field, its variant's, or ""."""
    if field == "data":  # in a folder, that folder
        return short_name(run["recipe"]["data"])
    if field in (*PLAIN, "seed"):
        return run[field]
    own = {one.field: one.new for one in overrides_of(run)}
    try:
        return own[field] if field in own else value_at(run["recipe"], field)
    except (LookupError, TypeError, ValueError):
        return olds.get((run["variant"], field), "")


def _say(field: str, value: Any) -> str:
    if field.startswith("network.") and not value and value != "":  # a part of it
        return "off"
    text = f"{value:.4g}" if isinstance(value, float) else spell(value)
    return SPOKEN.get(text, text)
