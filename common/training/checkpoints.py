"""Checkpoints: one file each, whole or not there.

A checkpoint is a NumPy .npz of every variable of the model and the optimizer, with the loop's state
as JSON. It is written beside its place, synced, and then renamed; a kill at any moment leaves the
one before. The zip format's CRCs tell a damaged file when it is read.
"""

import json
import math
import pathlib
import re
import shutil
import zipfile
from typing import Any

from common.errors import NoRoom, NotFinite, RunError
from common.files import write_atomically
from common.lazy import np

KEPT = 2  # the newest, and the one before should that be damaged
STATE = "state.json"  # its name among the arrays


def named_variables(*owners: Any) -> dict[str, Any]:
    """Every variable of models and optimizers, under a name of its own.

    A name is the owner's position, the variable's position and its path. Keras's seed generators
    are left out: no draw of a training comes from them (common.models.layers.Dropout), and their
    paths depend on what else was built in the process.
    """
    return {
        f"{i}/{j}/{variable.path}": variable
        for i, owner in enumerate(owners)
        for j, variable in enumerate(owner.variables)
        if "seed_generator" not in variable.path
    }


def require_room(folder: pathlib.Path, variables: dict) -> None:
    """Checks that a run's folder can take checkpoints and the final weights.

    Raises:
        NoRoom: if the disk has less room than what is not there yet.
    """
    size = sum(4 * math.prod(v.shape) for v in variables.values())
    files = (file for file in folder.rglob("*") if file.is_file())
    there = sum(file.stat().st_size for file in files)
    needed, free = 3 * size - there, shutil.disk_usage(folder).free
    if needed > free:
        raise NoRoom(
            f"{folder} needs {needed / 2**20:,.0f} MiB for two checkpoints and the final weights; "
            f"{free / 2**20:,.0f} MiB are free there. Make room, or give another --workdir."
        )


def save(folder: pathlib.Path, step: int, variables: dict, state: dict) -> None:
    """Writes the checkpoint of `step` and removes all but the newest two.

    Raises:
        NotFinite: if a value is not finite.
        RunError: if it cannot be written; what was there before is kept.
    """
    arrays = pack(variables, state)
    if bad := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise NotFinite(
            f"At step {step} {bad[0]} is not finite: training has diverged. "
            + kept_sentence(folder)
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"step-{step:09d}.npz", lambda file: np.savez(file, **arrays))
    except OSError as error:
        raise RunError(
            f"The checkpoint of step {step} could not be written to {folder}: "
            f"{error.strerror or error}. "
            + kept_sentence(folder)
            + "Make room, then run the same command again: it continues."
        ) from error
    for old in newest_first(folder)[KEPT:]:
        old.unlink()


def pack(variables: dict, state: dict) -> "dict[str, np.ndarray]":
    """Their values and the state, as arrays."""
    arrays = {name: np.asarray(v.numpy()) for name, v in variables.items()}
    arrays[STATE] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    return arrays


def unpack(variables: dict, arrays: "dict[str, np.ndarray]") -> dict:
    """Assigns what `pack` gave; returns the state."""
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return json.loads(arrays[STATE].tobytes())


def kept_sentence(folder: pathlib.Path) -> str:
    """What there is to go back to, for an error message."""
    if kept := newest_first(folder):
        return f"The last good checkpoint, {kept[0].name}, is kept. "
    return "There is no checkpoint from before. "


def newest_first(folder: pathlib.Path) -> list[pathlib.Path]:
    """The checkpoints in `folder`."""
    files = [f for f in folder.glob("step-*.npz") if re.match(r"step-\d+$", f.stem)]
    return sorted(files, reverse=True)


def step_of(checkpoint: pathlib.Path) -> int:
    """The updates that were made before it, by its name."""
    return int(checkpoint.stem.removeprefix("step-"))


def restore(folder: pathlib.Path, variables: dict) -> dict | None:
    """Assigns the newest readable checkpoint's values; returns its state, or None: there is none.

    Raises:
        RunError: if there are checkpoints and none can be read, or the newest belongs to another
            network.
    """
    for torn in folder.glob(".step-*.part"):  # of a killed process
        torn.unlink()
    damaged = []
    for file in newest_first(folder):
        try:
            with np.load(file) as arrays:
                values = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            damaged.append(f"{file.name} ({error})")
            continue
        shapes = {name: tuple(v.shape) for name, v in variables.items()}
        there = {name: value.shape for name, value in values.items() if name != STATE}
        if odd := [n for n in sorted({*shapes, *there}) if shapes.get(n) != there.get(n)]:
            raise RunError(
                f"{file} is of another network: {odd[0]} does not match. Give this run a folder of "
                "its own with --workdir."
            )
        return {**unpack(variables, values), "damaged": damaged}
    if damaged:
        raise RunError(
            f"No checkpoint in {folder} can be read: {'; '.join(damaged)}. Remove them to start "
            "anew, or restore the folder from a copy."
        )
    return None
