"""Training curves: of runs, and those that a paper's curves.toml keeps.

One curve a run, written by `python -m launch report RUN...` beside the run's
rows of reproduced.toml: a run's folder may be gone, its curve is not.
"""

import dataclasses
import math
import pathlib

import reproductions
from common.errors import UsageError
from common.recipes.serialization import recipe_hash
from common.training.run_record import list_changes, read_history, read_json
from launch.report.row_file import RowFile

KEY = ("variant", "data", "recipe", "precision", "deviations", "seed")


def file(paper: str) -> RowFile:
    """The paper's curves.toml."""
    return RowFile(
        path=reproductions.folder(paper) / "curves.toml",
        kind="curve",
        key=KEY,
        header="# Errors in percent, an epoch each; written by `python -m launch report\n"
        "# RUN...` from finished runs, never by hand. Training errors are of the\n"
        "# images as the epoch saw them, test errors of one view.\n",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """The epochs of one run.

    Attributes:
        recipe: The hash of the recipe that was trained.
        view: The test view, which the recipe monitors.
        deviations: What set it apart from the paper's recipe; see `run_record.list_changes`.
        total: Epochs of the whole run.
        loss: The training loss, one value an epoch, as the two that follow.
        train_error: Top-1.
        test_error: Top-1, of `split`.
        images: Of the last epoch, which may be shorter than the others; 0 if not known.
        cross_entropy: Of the main head in training, where the loss holds more; else empty.
    """

    variant: str
    data: str
    recipe: str
    precision: str
    seed: int
    split: str
    view: str
    deviations: tuple[str, ...]
    total: int
    loss: tuple[float, ...]
    train_error: tuple[float, ...]
    test_error: tuple[float, ...]
    images: int = 0
    cross_entropy: tuple[float, ...] = ()

    def plain_loss(self) -> float:
        """The last epoch's, comparable between networks if it was recorded."""
        return (self.cross_entropy or self.loss)[-1]

    def key(self) -> tuple:
        """What tells this run from others."""
        return tuple(getattr(self, name) for name in KEY)


def read_run(folder: pathlib.Path) -> tuple[dict, list[dict]]:
    """(run.json, epochs) of a run, which may be under way.

    Raises:
        UsageError: if the folder holds no run.
    """
    try:
        return read_json(folder / "run.json"), read_history(folder)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} is no run's folder: it cannot be read ({error}).") from error


def of_run(run: dict, history: list[dict]) -> Curve:
    """The curve of a run's record and its epochs so far."""
    recipe = run["recipe"]
    splits = [r["split"] for r in run.get("results") or ()]
    if not splits:  # under way nobody has said
        there = run["data"].get("splits", ())
        splits = [s for s in ("held_out", "validation", "val", "test") if s in there]
    total, updates = recipe["epochs"], recipe.get("updates")
    if updates is not None and history:  # may end it earlier
        total = min(total, math.ceil(updates / (history[0]["step"] / history[0]["epoch"])))
    if run.get("ended_early"):
        total = run["epochs"]
    steps = [0, 0, *(row["step"] for row in history)]

    def column(name: str, digits: int) -> tuple[float, ...]:
        return tuple(round(row[name], digits) for row in history if name in row)

    return Curve(
        variant=run["variant"],
        data=recipe["data"],
        recipe=recipe_hash(recipe),
        precision=run["precision"],
        seed=run["seed"],
        split=(*splits, "held_out" if recipe.get("held_out") else "test")[0],
        view=recipe["monitor"],
        deviations=tuple(list_changes(run)),
        total=total,
        loss=column("loss", 4),
        train_error=column("top1_error", 3),
        test_error=column("val_top1_error", 3),
        images=(steps[-1] - steps[-2]) * recipe["global_batch_size"],
        cross_entropy=column("cross_entropy", 4),
    )


def add(folders: list[str]) -> list[pathlib.Path]:
    """Writes the curves of finished runs, each in place of its older self; the changed files."""
    added: dict[str, list[dict]] = {}
    for folder in folders:
        run, history = read_run(pathlib.Path(folder))
        if history:
            curve = vars(of_run(run, history)).items()
            row = {name: value for name, value in curve if name != "cross_entropy" or value}
            added.setdefault(run["paper"], []).append(row)
    return [file(paper).path for paper, rows in added.items() if file(paper).add(rows)]


def read(paper: str) -> list[Curve]:
    """The recorded curves of a paper; none if there is no file.

    Raises:
        RunError: if the file is damaged.
    """
    return [
        Curve(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()})
        for row in file(paper).read()
    ]
