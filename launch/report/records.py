"""From finished runs to rows of reproduced.toml, and those rows read."""

import pathlib
import re

import reproductions
from common.errors import RunError, UsageError
from common.recipes.serialization import recipe_hash, spell
from common.training.run_record import overrides_of, read_json
from launch.report.row_file import RowFile

KEY = ("variant", "data", "split", "views", "recipe", "precision", "seed", "deviations")
FEW = 5  # epochs; the shortest run that a question of questions.toml asks for


def file(paper: str) -> RowFile:
    """The paper's reproduced.toml."""
    return RowFile(
        path=reproductions.folder(paper) / "reproduced.toml",
        kind="run",
        key=KEY,
        header="# Measured rows, written by `python -m launch report RUN...` from\n"
        "# finished runs; never by hand. Errors in percent.\n",
        needed=("epochs", "top1_error", "num_images", "command", "commit", "versions"),
    )


def of_recipes(paper: str) -> set[tuple[str, str, str, int]]:
    """(variant, recipe's hash, precision, seed) of the rows that nothing was changed in."""
    rows = file(paper).read()
    names = ("variant", "recipe", "precision", "seed")
    return {tuple(row[name] for name in names) for row in rows if not row["deviations"]}


def add(folders: list[str]) -> list[pathlib.Path]:
    """Writes the rows of finished runs, each in place of its older self; the changed files.

    Raises:
        UsageError: if a folder holds no run.
        RunError: if a run is not finished. Nothing was written then.
    """
    added: dict[str, list[dict]] = {}
    for folder in folders:
        paper, rows = rows_of(pathlib.Path(folder))
        added.setdefault(paper, []).extend(rows)
    return [file(paper).path for paper, rows in added.items() if file(paper).add(rows)]


def find_toys(folders: list[str]) -> dict[str, str]:
    """The runs that are no experiments to keep, unless that is asked for: folder -> why.

    Raises as `add` does.
    """
    rows = {folder: rows_of(pathlib.Path(folder))[1][0] for folder in folders}
    return {folder: why for folder, row in rows.items() if (why := _find_reason(row))}


def _find_reason(row: dict) -> str | None:
    kind, own, _ = row["data"].partition(":")
    if kind == "sample":
        return "its images are synthetic (sample)"
    if own and kind == "folder":
        return "its images are a folder of your own"
    set_here = any(change.startswith("epochs ") for change in row["deviations"])
    few = set_here and row["epochs"] < FEW
    return f"it has {row['epochs']} epochs by --set, fewer than {FEW}" if few else None


def rows_of(folder: pathlib.Path) -> tuple[str, list[dict]]:
    """(paper, rows) of a run's folder: one row for each view measured."""
    try:
        run = read_json(folder / "run.json")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{folder} is no run's folder: its run.json cannot be read ({error})."
        ) from error
    if run.get("status") != "finished" or not run.get("results"):
        raise RunError(
            f"The run in {folder} is not finished (status "
            f"{run.get('status')!r}), so its numbers do not count. The command "
            "that started it continues it."
        )
    if run["variant"] not in reproductions.load(run["paper"]).RECIPES:
        raise RunError(
            f"The run in {folder} is of {run['variant']!r}, which "
            f"reproductions/{run['paper']} no longer has."
        )
    shared = _about(run)
    rows = [shared | _result(result) for result in run["results"]]
    return run["paper"], [{name: row[name] for name in KEY} | row for row in rows]


def _about(run: dict) -> dict:
    session = run["sessions"][-1]
    changes = [f"{one.field} {spell(one.new)}" for one in overrides_of(run)]
    if side := run["data"].get("shorter_side"):  # of `prepare`
        changes.append(f"data shrunk once to a shorter side of {side} pixels")
    return {
        "variant": run["variant"],
        "data": run["recipe"]["data"],
        "seed": run["seed"],
        "recipe": recipe_hash(run["recipe"]),
        "precision": run["precision"],
        "deviations": changes,
        "epochs": run.get("epochs", run["recipe"]["epochs"]),
        "images_per_second": run["images_per_second"],
        "devices": _devices(session, run.get("peak_bytes")),
        "sessions": len(run["sessions"]),
        "started": run["sessions"][0]["started"],
        "finished": run["finished"],
        "commit": session["commit"],
        "versions": [f"{k} {v}" for k, v in session["versions"].items()],
        "read": run["data"]["name"],
        "command": without_places(session["command"]),
    }


def _devices(session: dict, peak_bytes: int | None) -> str:
    """How many of which, as far as the record says."""
    facts = dict(session.get("hardware", {}))
    processor = facts.pop("processor", None)
    names = {"compute_capability": "capability", "cuda": "CUDA", "cudnn": "cuDNN"}
    model = facts.pop("gpu", processor)
    more = [f"{names.get(name, name)} {value}" for name, value in facts.items()]
    if peak_bytes:
        more.append(f"at most {peak_bytes / 2**20:,.0f} MiB")
    return ", ".join(
        [f"{session['devices']} x {session['platform']}", *([model] if model else []), *more]
    )


def without_places(command: str) -> str:
    """The command without the folders of the machine that it ran on."""
    command = re.sub(r" --(data_dir|workdir|predictions|out)[ =]\S+", "", command)
    command = re.sub(r"(?<=launch evaluate) \S*/\S*", " RUN", command)
    return re.sub(r" --weights[ =]\S+", " --weights RUN", command)


def _result(result: dict) -> dict:
    row = {"split": result["split"], "views": result["view"], "num_images": result["num_images"]}
    for name in ("top1_error", "top5_error", "loss"):
        if result[name] is not None:
            row[name] = round(result[name], 4)
    if "command" in result:  # measured later, by `evaluate`
        row["command"] = without_places(result["command"])
        row |= {name: result[name] for name in ("commit", "finished")}
    return row
