"""Recorded sweeps: reproductions/<paper>/sweeps.toml, and their part of the paper's page.

A row is a named result with its provenance. It edits no recipe, and its error
is of held-out training images: it stands beside no number of a paper.
"""

import pathlib
from typing import Any

import reproductions
from common.recipes.serialization import recipe_hash
from launch.report.markdown import table
from launch.report.records import say_code, without_places
from launch.report.row_file import RowFile

_INTRODUCTION = """\
What `python -m launch sweep` found. Trials are short and are compared on
training images that none of them was trained on; the test split was not looked
at, so these errors stand beside no number of a paper. No recipe was changed."""


def file(paper: str) -> RowFile:
    """The paper's sweeps.toml."""
    return RowFile(
        path=reproductions.folder(paper) / "sweeps.toml",
        kind="sweep",
        key=("variant", "data", "tuner", "space", "recipe", "precision", "seed"),
        header="# Sweeps, written by `python -m launch sweep ... --record`; never by\n"
        "# hand. Errors in percent, of training images that were held out.\n",
    )


def add(facts: dict[str, Any]) -> pathlib.Path:
    """Writes the row of a finished sweep that has a best trial; the file that has it.

    Args:
        facts: Its sweep.json.
    """
    [best] = [trial for trial in facts["trials"] if trial["id"] == facts["best"]]
    recorded = file(facts["paper"])
    recorded.add([_row(facts, best)])
    return recorded.path


def _row(facts: dict[str, Any], best: dict[str, Any]) -> dict[str, Any]:
    session = facts["sessions"][-1]
    trials = facts["trials"]
    budget = [s for s in facts["settings"] if s.partition("=")[0] not in ("held_out", "views")]
    copied = (
        *("variant", "tuner", "space", "precision", "seed", "held_out", "settings"),
        *("paper_values", "workers", "finished"),
    )
    return {
        # Never called as its variant alone.
        "name": f"{facts['variant']} tuned here: {len(trials)} {facts['tuner']} trials with "
        f"{facts['workers']} worker(s), {', '.join(budget) or 'the whole recipe'}, "
        f"{facts['precision']}",
        "data": facts["recipe"]["data"],
        "recipe": recipe_hash(facts["recipe"]),
        **{name: facts[name] for name in copied},
        "trials": len(trials),
        "failed": sum(trial["status"] == "failed" for trial in trials),
        "epochs": best["objective"][-1]["epoch"],
        "best": best["values"],
        "held_out_error": round(best["best"], 4),
        "sessions": len(facts["sessions"]),
        "started": facts["sessions"][0]["started"],
        **say_code(facts["sessions"]),
        "command": without_places(session["command"]),
        "in_full": without_places(facts["in_full"]),
    }


def section(paper: str) -> str:
    """The part of the paper's page; empty if none was recorded."""
    rows = file(paper).read()
    if not rows:
        return ""
    lines = []
    for row in rows:
        commits = (commit.partition("+") for commit in row["commit"].split(", "))
        code = (c[:7] + " with uncommitted changes" * bool(plus) for c, plus, _ in commits)
        lines.append(
            {
                "Row": row["name"],
                "Data": f"{row['data']}, {row['held_out']:,} training images held out",
                "Searched": f"`{'`, `'.join(row['space'])}`",
                "Best": ", ".join(row["best"]),
                "The recipe's": ", ".join(row["paper_values"]),
                "Held-out error of the best": f"{row['held_out_error']:.2f} %",
                "How": f"`{row['command']}`; {row['failed']} trials failed; in "
                f"{row['sessions']} session(s); seed {row['seed']}, commit {', '.join(code)}",
            }
        )
    return f"## Sweeps: tuned here\n\n{_INTRODUCTION}\n\n{table(lines)}"
