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
LONGEST = 40  # characters of a name
PLAIN = ("variant", "data", "precision")  # whose value says what it is of


def name_runs(folders: Sequence[pathlib.Path], runs: Sequence[dict]) -> tuple[list[str], list[str]]:
    """A name for each run.json, such as "dropout off, seed 1", and what the names leave out.

    Where one would be long, or have more than words and numbers, all runs are called as their
    folders, and the second list tells what differs, a text each; else that is empty. The
    folder's name is added, too, where nothing else tells a run from others.
    """
    olds = {one.field: one.old for run in runs for one in overrides_of(run)}
    changed = [f for f in olds if f != "data" and f not in NOT_HASHED]
    columns = {
        f: _name_kinds([_say(f, _value(run, f, olds.get(f))) for run in runs])
        for f in (*PLAIN[:2], *changed, "precision", "seed")
    }
    news = {f: _leave_out_usual(texts) for f, texts in columns.items() if len(set(texts)) > 1}
    words = {f: "" if f in PLAIN else re.sub(r"[._]", " ", shorten_path(f)) + " " for f in news}
    told = [
        {f: texts[n] for f, texts in news.items() if texts[n] is not None} for n in range(len(runs))
    ]
    names = [
        ", ".join(words[f] + text for f, text in own.items()) or ("none of these" if news else "")
        for own in told
    ]
    unsaid = []
    plain = all(_is_plain(f, text) for own in told for f, text in own.items())
    if not plain or max(map(len, names)) > LONGEST:
        names = [""] * len(runs)
        for run, own in zip(runs, told, strict=True):
            new = {one.field for one in overrides_of(run)}  # what others changed, they say
            kept = {f: text for f, text in own.items() if f in new or _is_plain(f, text)}
            unsaid.append("; ".join(words[f] + text for f, text in kept.items()))
    for spelled in (lambda folder: folder.name, str):
        count = Counter(names)
        names = [
            name if name and count[name] == 1 else ", ".join(filter(None, [name, spelled(folder)]))
            for name, folder in zip(names, folders, strict=True)
        ]
    return names, unsaid


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
    return SPOKEN.get(text, text)


def _is_plain(field: str, text: str) -> bool:
    return field in PLAIN or bool(re.fullmatch(r"[\w.+-]+", text))  # a word or a number


def _name_kinds(texts: list[str]) -> list[str]:
    """Of parts with settings of their own only what they are, if that tells the runs apart."""
    part = r"\(?(\w+)\([^()]*\)(?:,\))?"
    found = {text: re.fullmatch(part, text) for text in texts}
    kinds = {text: match[1] if match else text for text, match in found.items()}
    return [kinds[text] for text in texts] if len(set(kinds.values())) == len(kinds) else texts


def _leave_out_usual(texts: list[str]) -> list[str | None]:
    """None in the place of what all of many runs but one have in common: it is no news."""
    [(usual, times)] = Counter(texts).most_common(1)
    left_out = usual if len(texts) > 3 and times == len(texts) - 1 else None
    return [None if text == left_out else text for text in texts]
