"""Puts small finished runs of the papers' own recipes where evaluate NAME finds them."""

import pathlib
import shutil

from absl.flags import FlagValues

import reproductions
from common.errors import RunError, UsageError
from common.files import save_weights, whole, write_json
from common.recipes.serialization import recipe_hash
from launch.report import records
from launch.settings.flags import share
from launch.settings.options import Experiment, read_experiment
from launch.terminal.quiet import quiet
from launch.weights import run_weights
from launch.weights.bundled_weights import Network
from launch.weights.shipped import find_folder

LARGEST = 2_000_000  # bytes of a file


USAGE = "ship RUN..."
FLAGS = share("data_dir")


def run(words: list[str], flags: FlagValues) -> int:
    """Ships each run; exit code 0.

    An older one of the same variant is replaced. Optimizer state is left out. The
    data are read only if the run keeps too little for predict: an early one has no
    statistics or names.

    Raises:
        UsageError: if a folder holds no run.
        RunError: if a run is not finished, not of the paper's present recipe,
            or too large; those before it are shipped then.
    """
    if not words:
        raise UsageError(f"ship takes finished runs: python -m launch {USAGE}")
    reproductions.require_repository("ship")
    for folder in words:
        row = _read_row(pathlib.Path(folder))
        paper, variant = reproductions.find(row["variant"])
        file, found = run_weights.locate(folder)
        recipe = run_weights.read_recipe(found, variant, reproductions.load(paper).RECIPES[variant])
        experiment = read_experiment(paper, variant, recipe, data_dir=flags.data_dir)
        network = Network(experiment=experiment, file=file, run=found)
        size = _replace(find_folder(paper, variant), network)
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


def _replace(target: pathlib.Path, network: Network) -> int:
    """`target` appears whole or not at all; its size in bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole(target) as made:
        made.mkdir()
        _write(made, network)
        sizes = {file.name: file.stat().st_size for file in made.iterdir()}
        name = max(sizes, key=sizes.get)
        if sizes[name] > LARGEST:
            raise RunError(
                f"The run in {network.run.folder} is not shipped: its {name} has "
                f"{sizes[name] / 1e6:.1f} MB, and only files of at most "
                f"{LARGEST / 1e6:.0f} MB go with the code."
            )
        shutil.rmtree(target, ignore_errors=True)
    return sum(sizes.values())


def _write(folder: pathlib.Path, network: Network) -> None:
    with quiet():
        import tensorflow as tf

        from common.data.statistics import save
        from launch.inference.network_inputs import find_statistics
        from launch.session.setup import build_network

        tf.config.set_visible_devices([], "GPU")  # copying needs none
    experiment, run = network.experiment, network.run
    record = run.record | {"class_names": _read_class_names(experiment, run)}
    model = build_network(experiment, tf.distribute.get_strategy())
    run_weights.load_weights(model, network.file, experiment.recipe)
    save_weights(model, folder / run_weights.WEIGHTS)
    if statistics := find_statistics(network):
        save(statistics, folder / run_weights.STATISTICS)
    write_json(folder / "run.json", _without_places(record))


def _read_class_names(experiment: Experiment, run: run_weights.Trained) -> list[str]:
    """The run's; if it keeps too little, of its data, which must be here."""
    from common.data.statistics import needed
    from launch.session.setup import open_data

    names = run.record.get("class_names")
    kept = (run.folder / run_weights.STATISTICS).is_file()
    if names and (kept or not needed(experiment.recipe)):
        return names
    source = open_data(experiment)
    if not run_weights.has_same_data(run, source):
        raise RunError(
            f"{run.folder} is an early run, without the names of its classes "
            f"or {run_weights.STATISTICS}, and the data in {experiment.data_dir} are "
            "not those that it was trained on. Give --data_dir theirs."
        )
    return list(source.class_names())


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
