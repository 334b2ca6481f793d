"""Puts small finished runs of the papers' own recipes where evaluate NAME finds them."""

import pathlib
import shutil

from absl.flags import FlagValues

import reproductions
from common.errors import RunError, UsageError
from common.files import save_weights, whole, write_json
from common.recipes.serialization import recipe_hash
from launch.report import records
from launch.terminal.quiet import quiet
from launch.weights import run_weights
from launch.weights.shipped import find_folder

LARGEST = 2_000_000  # bytes of a file


USAGE = "ship RUN..."
FLAGS = {}


def run(words: list[str], flags: FlagValues) -> int:
    """Ships each run; exit code 0.

    An older one of the same variant is replaced. Optimizer state is left out.

    Raises:
        UsageError: if a folder holds no run.
        RunError: if a run is not finished, not of the paper's present recipe, without the
            statistics that it subtracts, or too large; those before it are shipped then.
    """
    if not words:
        raise UsageError(f"ship takes finished runs: python -m launch {USAGE}")
    reproductions.require_repository("ship")
    for folder in words:
        row = _read_row(pathlib.Path(folder))
        paper, variant = reproductions.find(row["variant"])
        size = _replace(find_folder(paper, variant), paper, folder)
        print(
            f"{variant} now comes with the weights of {folder}: seed "
            f"{row['seed']}, {row['precision']}, top-1 error "
            f"{row['top1_error']:.2f} %, {size / 1000:,.0f} kB in all."
        )
    return 0


def _read_row(folder: pathlib.Path) -> dict:
    """The run's first row as of reproduced.toml; only of the paper's own recipe."""
    paper, [row, *_] = records.rows_of(folder)
    variant, changes = row["variant"], row["deviations"]
    if changes:
        raise RunError(
            f"The run in {folder} is not shipped: its experiment is not the "
            f"paper's ({'; '.join(changes)}). Use it with --weights {folder}."
        )
    if row["recipe"] != recipe_hash(reproductions.load(paper).RECIPES[variant]):
        raise RunError(
            f"The run in {folder} is not shipped: the recipe of {variant} has "
            "changed since. Train it again."
        )
    return row


def _replace(target: pathlib.Path, paper: str, run: str) -> int:
    """`target` appears whole or not at all; its size in bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole(target) as made:
        made.mkdir()
        _write(made, paper, run)
        sizes = {file.name: file.stat().st_size for file in made.iterdir()}
        name = max(sizes, key=sizes.get)
        if sizes[name] > LARGEST:
            raise RunError(
                f"The run in {run} is not shipped: its {name} has {sizes[name] / 1e6:.1f} MB, "
                f"and only files of at most {LARGEST / 1e6:.0f} MB go with the code."
            )
        shutil.rmtree(target, ignore_errors=True)
    return sum(sizes.values())


def _write(folder: pathlib.Path, paper: str, run: str) -> None:
    with quiet():
        import tensorflow as tf

        from common.data.statistics import needed

        tf.config.set_visible_devices([], "GPU")  # copying needs none
    file, found = run_weights.locate(run)
    variant = found.record["variant"]
    recipe = reproductions.load(paper).RECIPES[variant]
    sizes = {"image_size": recipe.image_size, "num_classes": recipe.num_classes}
    model = reproductions.build_model(paper, variant, **sizes)
    run_weights.load_weights(model, file, recipe)
    save_weights(model, folder / run_weights.WEIGHTS)
    if needed(recipe):
        statistics = found.folder / run_weights.STATISTICS
        if not statistics.is_file():
            raise RunError(
                f"The run in {run} is not shipped: it has no {statistics.name}, which every "
                "training writes that subtracts a mean."
            )
        shutil.copyfile(statistics, folder / statistics.name)
    write_json(folder / "run.json", _without_places(found.record))


def _without_places(record: dict) -> dict:
    """run.json without the folders of the machine that it was made on."""
    cleaned = dict(record)
    for part in ("sessions", "results"):
        cleaned[part] = [dict(one) for one in record[part]]
        for one in cleaned[part]:
            one.pop("data_dir", None)
            if "command" in one:
                one["command"] = records.without_places(one["command"])
            if "reason" in one:
                one["reason"] = one["reason"].partition(":")[0]  # an error's kind
    return cleaned
