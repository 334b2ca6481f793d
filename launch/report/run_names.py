"""Short names for runs that stand beside each other: what differs between them, in words."""

import pathlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from common.recipes.serialization import NOT_HASHED, spell
from common.training.run_record import overrides_of, value_at
from launch.settings.options import shorten_path

SPOKEN = {"None": "off", "False": "off", "()": "off", "True": "on"}
LONGEST = 32  # characters of a value
PLAIN = ("variant", "data", "precision")  # whose value says what it is of


def name_runs(folders: Sequence[pathlib.Path], runs: Sequence[dict]) -> list[str]:
    """A name for each run.json, such as "dropout off, seed 1".

    The folder's name stands for a run, or is added, where nothing else tells it from others.
    """
    olds = {one.field: one.old for run in runs for one in overrides_of(run)}
    changed = [f for f in olds if f != "data" and f not in NOT_HASHED]
    fields = [*PLAIN[:2], *changed, "precision", "seed"]
    values = [{f: _say(f, _value(run, f, olds.get(f))) for f in fields} for run in runs]
    differing = [f for f in fields if len({row[f] for row in values}) > 1]
    words = {f: re.sub(r"[._]", " ", shorten_path(f)) + " " for f in differing}
    words |= dict.fromkeys(PLAIN, "")
    usual = {f: Counter(row[f] for row in values).most_common(1)[0] for f in differing}
    # Of many runs, what but one have in common is no news.
    said = {f: v if len(runs) > 3 and n == len(runs) - 1 else None for f, (v, n) in usual.items()}
    names = [
        ", ".join(words[f] + row[f] for f in differing if row[f] != said[f])
        or ("none of these" if differing else "")
        for row in values
    ]
    for spelled in (lambda folder: folder.name, str):
        count = Counter(names)
        names = [
            name if name and count[name] == 1 else ", ".join(filter(None, [name, spelled(folder)]))
            for name, folder in zip(names, folders, strict=True)
        ]
    return names


def _value(run: dict, field: str, old: Any) -> Any:
    """What the run has there; `old` where its recipe has no such field."""
    if field == "data":  # in a folder, that folder
        kind, colon, path = run["recipe"]["data"].partition(":")
        return pathlib.PurePath(path).name if colon else kind
    if field in (*PLAIN, "seed"):
        return run[field]
    own = {one.field: one.new for one in overrides_of(run)}
    try:
        return own[field] if field in own else value_at(run["recipe"], field)
    except (LookupError, TypeError, ValueError):
        return old


def _say(field: str, value: Any) -> str:
    if field.startswith("network.") and not value:  # a part of it
        return "off"
    text = f"{value:.4g}" if isinstance(value, float) else spell(value)
    text = SPOKEN.get(text, text)
    if len(text) > LONGEST:  # a whole part: what it is of
        text = " ".join(re.findall(r"([A-Z]\w+)\(", text)) or text
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
