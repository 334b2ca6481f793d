"""From finished runs to rows of reproduced.toml, and those rows read."""

import pathlib
import re

import reproductions
from common.errors import RunError
from common.recipes.serialization import recipe_hash
from common.training.run_record import list_changes
from launch.report.curves import read_run
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
    )


def of_recipes(paper: str) -> set[tuple[str, str, str, int]]:
    """(variant, recipe's hash, precision, seed) of the rows that nothing was changed in."""
    names = ("variant", "recipe", "precision", "seed")
    rows = file(paper).read()
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
    found = {}
    for folder in folders:
        row = rows_of(pathlib.Path(folder))[1][0]
        kind, own, _ = row["data"].partition(":")
        set_here = any(change.startswith("epochs ") for change in row["deviations"])
        if kind == "sample":
            found[folder] = "its images are synthetic (sample)"
        elif own and kind == "folder":
            found[folder] = "its images are a folder of your own"
        elif set_here and row["epochs"] < FEW:
            found[folder] = f"it has {row['epochs']} epochs by --set, fewer than {FEW}"
    return found


def rows_of(folder: pathlib.Path) -> tuple[str, list[dict]]:
    """(paper, rows) of a run's folder: one row for each view measured."""
    run, _ = read_run(folder)
    if run.get("status") != "finished" or not run.get("results"):
        raise RunError(
            f"The run in {folder} is not finished (status {run.get('status')!r}), so its numbers "
            "do not count. The command that started it continues it."
        )
    shared, rows = _about(run), []
    for result in run["results"]:
        row = {
            "split": result["split"],
            "views": result["view"],
            "num_images": result["num_images"],
        }
        for name in ("top1_error", "top5_error", "loss"):
            if result[name] is not None:
                row[name] = round(result[name], 4)
        if "command" in result:  # measured later, by `evaluate`
            row["command"] = without_places(result["command"])
            row |= {name: result[name] for name in ("commit", "finished")}
        row = shared | row
        rows.append({name: row[name] for name in KEY} | row)
    return run["paper"], rows


def _about(run: dict) -> dict:
    """What all rows of a run have."""
    sessions = run["sessions"]
    devices = ["; ".join(dict.fromkeys(map(_say_devices, sessions)))]
    if run.get("peak_bytes"):
        devices.append(f"at most {run['peak_bytes'] / 2**20:,.0f} MiB")
    return {
        "variant": run["variant"],
        "data": run["recipe"]["data"],
        "seed": run["seed"],
        "recipe": recipe_hash(run["recipe"]),
        "precision": run["precision"],
        "deviations": list_changes(run),
        "epochs": run.get("epochs", run["recipe"]["epochs"]),
        "images_per_second": run["images_per_second"],
        "devices": ", ".join(devices),
        "sessions": len(sessions),
        "started": sessions[0]["started"],
        "finished": run["finished"],
        **say_code(sessions),
        "read": run["data"]["name"],
        "command": "; then ".join(
            dict.fromkeys(without_places(session["command"]) for session in sessions)
        ),
    }


def _say_devices(session: dict) -> str:
    """What a session computed on."""
    facts = dict(session.get("hardware", {}))
    processor = facts.pop("processor", None)
    devices = [f"{session['devices']} x {session['platform']}", facts.pop("gpu", processor)]
    names = {"compute_capability": "capability", "cuda": "CUDA", "cudnn": "cuDNN"}
    devices += [f"{names.get(name, name)} {value}" for name, value in facts.items()]
    return ", ".join(filter(None, devices))


def say_code(sessions: list[dict]) -> dict:
    """The commits and versions of all sessions, each once: any of them made a part."""
    versions = (f"{k} {v}" for session in sessions for k, v in session["versions"].items())
    return {
        "commit": ", ".join(dict.fromkeys(session["commit"] for session in sessions)),
        "versions": list(dict.fromkeys(versions)),
    }


def without_places(command: str) -> str:
    """The command without the folders of the machine that it ran on."""
    command = re.sub(r" --(data_dir|workdir|predictions|out)[ =]\S+", "", command)
    command = re.sub(r"(?<=launch)( evaluate)? \S*/\S*", r"\1 RUN", command)
    return re.sub(r" --weights[ =]\S+", " --weights RUN", command)
