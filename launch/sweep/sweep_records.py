"""Recorded sweeps in reproductions/<paper>/sweeps.toml, and in results.md.

A row is a named result with its provenance. It edits no recipe, and its error
is of held-out training images: it stands beside no number of a paper.
"""

import json
import pathlib
import re
import shlex
from typing import Any

import reproductions
from common.errors import RunError, UsageError
from common.files import write_text
from common.recipes.serialization import recipe_hash
from launch.report.markdown import table
from launch.report.toml_rows import read_rows, toml_row
from launch.sweep.status import finished

# Two rows that agree in these are the same sweep: the later one stays.
KEY = ("variant", "data", "tuner", "space", "recipe", "precision", "seed")
NEEDED = (*KEY, "name", "trials", "failed", "epochs", "held_out", "best")
NEEDED += ("held_out_error", "settings", "command", "commit", "finished")
HEADER = (
    "# Sweeps, written by `python -m launch sweep ... --record`; never by\n"
    "# hand. Errors in percent, of training images that were held out.\n"
)


def add(sweep: pathlib.Path) -> pathlib.Path:
    """Writes the row of a finished sweep's folder; the file that has it.

    Raises:
        UsageError: if the folder holds no sweep.
        RunError: if it is not finished. Nothing was written then.
    """
    paper, row = row_of(sweep)
    kept = {_key(r): r for r in (*read(paper), row)}
    ordered = [kept[key] for key in sorted(kept)]
    file = _file(paper)
    write_text(file, HEADER + "".join(toml_row("sweep", row) for row in ordered))
    return file


def row_of(sweep: pathlib.Path) -> tuple[str, dict[str, Any]]:
    """(paper, row) of a sweep's folder; raises as `add` does."""
    try:
        facts = json.loads((sweep / "sweep.json").read_text())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{sweep} is no sweep's folder: its sweep.json cannot be read ({error})."
        ) from error
    done = finished(facts["trials"])
    if facts["status"] != "finished" or not done:
        raise RunError(
            f"The sweep in {sweep} is not finished (status "
            f"{facts['status']!r}). The command that started it continues it."
        )
    best = done[0]
    return facts["paper"], {
        "name": _name(facts),
        "data": facts["recipe"]["data"],
        "recipe": recipe_hash(facts["recipe"]),
        **{name: facts[name] for name in _AS_THERE},
        "trials": len(facts["trials"]),
        "failed": sum(t["status"] == "failed" for t in facts["trials"]),
        "epochs": best["epochs"] or facts["recipe"]["epochs"],
        "best": best["values"],
        "held_out_error": round(best["best"], 4),
        **_provenance(facts),
    }


def _name(facts: dict[str, Any]) -> str:
    """What the row is called: never as its variant alone."""
    own = ("held_out", "views")
    budget = [s for s in facts["settings"] if s.partition("=")[0] not in own]
    return (
        f"{facts['variant']} tuned here: {len(facts['trials'])} "
        f"{facts['tuner']} trials with {facts['workers']} worker(s), "
        f"{', '.join(budget) or 'the whole recipe'}, {facts['precision']}"
    )


_AS_THERE = ("variant", "tuner", "space", "precision", "seed", "held_out")
_AS_THERE += ("settings", "paper_values", "workers", "finished")


def _provenance(facts: dict[str, Any]) -> dict[str, Any]:
    session = facts["sessions"][-1]
    return {
        "sessions": len(facts["sessions"]),
        "started": facts["sessions"][0]["started"],
        "commit": session["commit"],
        "versions": [f"{k} {v}" for k, v in session["versions"].items()],
        "command": _without_places(session["command"]),
        "in_full": _without_places(facts["in_full"]),
    }


def _without_places(command: str) -> str:
    """The command, for a shell, without the folders of its machine."""
    quoted = shlex.join(shlex.split(command))
    return re.sub(r" --(data_dir|workdir)[ =]\S+", "", quoted)


def read(paper: str) -> list[dict[str, Any]]:
    """The recorded sweeps of a paper; none if there is no file.

    Raises:
        RunError: if the file is damaged or a row lacks a key.
    """
    return read_rows(_file(paper), "sweep", NEEDED)


def section() -> str:
    """The part of results.md about sweeps; empty if none was recorded."""
    rows = [row for paper in reproductions.names() for row in read(paper)]
    if not rows:
        return ""
    head = ["Row", "Data", "Searched", "Best", "The recipe's"]
    head += ["Held-out error of the best", "How"]
    lines = [
        [
            row["name"],
            f"{row['data']}, {row['held_out']:,} training images held out",
            f"`{'`, `'.join(row['space'])}`",
            ", ".join(row["best"]),
            ", ".join(row["paper_values"]),
            f"{row['held_out_error']:.2f} %",
            f"`{row['command']}`; {row['failed']} trials failed; in "
            f"{row['sessions']} session(s); seed {row['seed']}, commit "
            f"{_short(row['commit'])}",
        ]
        for row in rows
    ]
    return f"\n{_INTRODUCTION}\n\n{table(head, lines)}\n"


_INTRODUCTION = """\
<a id="sweeps"></a>

## Sweeps: tuned here

What `python -m launch sweep` found. Trials are short and are compared on
training images that none of them was trained on; the test split was not looked
at, so these errors stand beside no number of a paper. No recipe was changed."""


def _file(paper: str) -> pathlib.Path:
    return reproductions.folder(paper) / "sweeps.toml"


def _key(row: dict) -> tuple:
    return tuple(str(row[name]) for name in KEY)


def _short(commit: str) -> str:
    """Seven digits, and whether files were changed since."""
    number, changed, _ = commit.partition("+")
    return number[:7] + (" with uncommitted changes" if changed else "")
