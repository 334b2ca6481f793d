"""`python -m launch ship RUN...`: small trained weights go with the code."""

import json
import pathlib
import shutil

import reproductions
from common.errors import RunError
from common.files import save_weights, whole, write_json
from common.recipes.serialization import recipe_hash
from launch.names import recipe_named
from launch.report import records
from launch.settings.options import Options, from_flags
from launch.terminal.quiet import quiet
from launch.weights import bundled_weights, run_weights

LARGEST = 2_000_000  # bytes of a file


def run(folders: list[str], values: dict) -> int:
    """Puts each finished run where `evaluate NAME` finds it; exit code 0.

    An older one of the same variant is replaced. Optimizer state is left out.

    Args:
        folders: Runs' folders.
        values: Every flag's value. The data are read only if the run keeps
            too little for predict: an early one has no statistics or names.

    Raises:
        UsageError: if a folder holds no run.
        RunError: if a run is not finished, not of the paper's present recipe,
            or too large; those before it are shipped then.
    """
    for folder in folders:
        [row, *_] = _rows(pathlib.Path(folder))
        paper, variant = reproductions.find(row["variant"])
        file, found = run_weights.locate(folder)
        recipe = run_weights.recipe_of(found, variant, recipe_named(paper, variant))
        options = from_flags(variant, recipe, values | {"weights": file}, needs_data=False)
        size = _replace(bundled_weights.place(paper, variant), options, found)
        print(
            f"{variant} now comes with the weights of {folder}: seed "
            f"{row['seed']}, {row['precision']}, top-1 error "
            f"{row['top1_error']:.2f} %, {size / 1000:,.0f} kB in all."
        )
    return 0


def _rows(folder: pathlib.Path) -> list[dict]:
    """Its rows as of reproduced.toml; only the paper's own recipe's."""
    paper, rows = records.rows_of(folder)
    variant, changes = rows[0]["variant"], rows[0]["deviations"]
    if changes:
        raise RunError(
            f"The run in {folder} is not shipped: its experiment is not the "
            f"paper's ({'; '.join(changes)}). Use it with --weights {folder}."
        )
    if rows[0]["recipe"] != recipe_hash(recipe_named(paper, variant)):
        raise RunError(
            f"The run in {folder} is not shipped: the recipe of {variant} has "
            "changed since. Train it again."
        )
    return rows


def _replace(target: pathlib.Path, options: Options, run: run_weights.Trained) -> int:
    """`target` appears whole or not at all; its size in bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole(target) as made:
        made.mkdir()
        _write(made, options, run)
        sizes = {file.name: file.stat().st_size for file in made.iterdir()}
        for name, size in sizes.items():
            if size > LARGEST:
                raise RunError(
                    f"The run in {run.folder} is not shipped: its {name} has "
                    f"{size / 1e6:.1f} MB, and only files of at most "
                    f"{LARGEST / 1e6:.0f} MB go with the code."
                )
        shutil.rmtree(target, ignore_errors=True)
    return sum(sizes.values())


def _write(folder: pathlib.Path, options: Options, run: run_weights.Trained) -> None:
    with quiet():
        import tensorflow as tf

        from common.data.statistics import save
        from launch.commands.predict import subtracted
        from launch.commands.train import build_network

        tf.config.set_visible_devices([], "GPU")  # copying needs none
    record = run.record | {"class_names": _class_names(options, run)}
    model = build_network(
        record["paper"], record["variant"], options.recipe, tf.distribute.get_strategy()
    )
    run_weights.load_weights(model, options.weights, options.recipe)
    save_weights(model, folder / run_weights.WEIGHTS)
    if statistics := subtracted(options, run):
        save(statistics, folder / run_weights.STATISTICS)
    write_json(folder / "run.json", _without_places(record))


def _class_names(options: Options, run: run_weights.Trained) -> list[str]:
    """The run's; if it keeps too little, of its data, which must be here."""
    from common.data.statistics import needed
    from launch.commands.train import open_data

    names = run.record.get("class_names")
    kept = (run.folder / run_weights.STATISTICS).is_file()
    if names and (kept or not needed(options.recipe)):
        return names
    source = open_data(options)
    if json.loads(json.dumps(source.fingerprint())) != run.record["data"]:
        raise RunError(
            f"{run.folder} is an early run, without the names of its classes "
            f"or {run_weights.STATISTICS}, and the data in {options.data_dir} are "
            "not those that it was trained on. Give --data_dir theirs."
        )
    return list(source.class_names())


def _without_places(record: dict) -> dict:
    """run.json without the folders of the machine that it was made on."""
    return record | {
        part: [_cleaned(one) for one in record[part]] for part in ("sessions", "results")
    }


def _cleaned(made: dict) -> dict:
    clean = {
        "command": records.without_places,
        "reason": lambda text: text.partition(":")[0],  # an error's kind
    }
    return made | {name: function(made[name]) for name, function in clean.items() if name in made}
