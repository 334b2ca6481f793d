"""The runs in folders: what was trained, on what, how far it is, its error.

Without words those in runs/. The newest is the last; nothing is written.
"""

import datetime
import pathlib
from typing import Any

from absl.flags import FlagValues

from common.errors import UsageError
from common.recipes.serialization import spell
from common.training.run_record import (
    is_running,
    list_data_changes,
    overrides_of,
    read_history,
    read_json,
)
from launch.settings.options import say_setting, short_name
from launch.terminal.tables import show

USAGE = "runs [FOLDER...]"
FLAGS = {}
COLUMNS = ["folder", "network", "data", "changed", "state", ">top-1 error", "when (UTC)"]
_LETTERS = 100  # of what was changed
_WITH_WEIGHTS = (
    *("normalize", "test_transforms", "train_transforms", "train_noise"),
    *("group_schedules", "initialize_from"),
)
_DEPTHS = ("", "*/", "*/*/")  # what a run begins with lies in its folder


def run(words: list[str], flags: FlagValues) -> int:
    """Prints a line for each; exit code 0, whatever they are."""
    rows = []
    for folder in map(pathlib.Path, words or ["runs"]):
        if not (folder := folder.expanduser()).is_dir():
            raise UsageError(
                f"There is no folder {folder} here. A training makes its own in runs/, or where "
                f"--workdir says: python -m launch {USAGE}."
            )
        rows += [_describe(found) for found in _find(folder)]
    if rows:
        show("", COLUMNS, sorted(rows, key=lambda row: row[-1]))
    else:
        print(f"No runs in {', '.join(words) or 'runs'}.")
    return 0


def _find(folder: pathlib.Path) -> list[pathlib.Path]:
    """Folders of runs, and those beside them that should be and are not."""
    runs = [file.parent for depth in _DEPTHS for file in folder.glob(f"{depth}run.json")]
    if folder in runs or (folder / "sweep.json").exists():
        return runs
    inside = {above for found in runs for above in found.parents}
    others = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return runs + [path for path in others if path not in inside and path not in runs]


def _describe(folder: pathlib.Path) -> list[str]:
    """Its row of COLUMNS; of a broken one, what is wrong with it."""
    file = folder / "run.json"
    try:
        touched = file.stat().st_mtime
        record = read_json(file)
        last = next(reversed(read_history(folder)), {})  # of its epochs
        return [
            str(folder),
            record["variant"],
            short_name(record["recipe"]["data"]),
            _list_changes(record),
            _find_state(folder, record, last.get("epoch", 0)),
            _find_error(record, last),
            (record.get("finished") or _iso(touched))[:16].replace("T", " "),
        ]
    except FileNotFoundError:
        touched = folder.stat().st_mtime
        sweep = folder / "sweep.json"
        why = "a sweep of several runs" if sweep.exists() else "no run: it has no run.json"
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        why = f"broken: run.json is no record of a run ({type(error).__name__}: {error})"
    return [str(folder), "", "", "", why, "", _iso(touched)[:16].replace("T", " ")]


def _list_changes(record: dict[str, Any]) -> str:
    overrides = [one for one in overrides_of(record) if one.field != "data"]
    if any(one.field == "fine_tuning" for one in overrides):
        # What follows from where it begins is no news; nor are its longest words first.
        overrides = [one for one in overrides if one.field not in _WITH_WEIGHTS]
        overrides.sort(key=lambda one: one.field == "fine_tuning")
    changes = [say_setting(one.field, spell(one.new)) for one in overrides]
    changes += list_data_changes(record)
    changes += [record["precision"]] * (record["precision"] != "float32")
    changes += [f"seed {record['seed']}"] * (record["seed"] != 0)
    said = ", ".join(changes)
    return said if len(said) <= _LETTERS else f"{said[: _LETTERS - 1]}…"


def _find_state(folder: pathlib.Path, record: dict[str, Any], epoch: int) -> str:
    status = record["status"]
    if status == "finished":
        return "done"
    if status == "running":
        status = "running" if is_running(folder) else "unfinished, not running"
    elif reason := record["sessions"][-1].get("reason"):
        status += f" ({reason.partition(':')[0]})"  # an error's kind
    return f"{status}, epoch {epoch} of {record['recipe']['epochs']}"


def _find_error(record: dict[str, Any], last: dict) -> str:
    if results := record.get("results"):
        held_out = " held out" * (results[0]["split"] == "held_out")
        return f"{results[0]['top1_error']:.2f} %{held_out}"
    return f"{last['val_top1_error']:.2f} % so far" if last else ""


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
