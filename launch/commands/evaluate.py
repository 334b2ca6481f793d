"""Error rates of trained weights, view by view and class by class.

The confusion matrix and the images with the highest loss are kept in the run's folder. With
--dry_run what each view costs, which needs neither weights nor data.
"""

import dataclasses

from absl.flags import FlagValues

import reproductions
from common.distribution.batch_slice import per_replica_batch_size
from common.errors import UsageError
from common.evaluation import views
from launch.commands.names import find_trained, refuse_words
from launch.settings.flags import items, path, share, text
from launch.settings.options import check_views, read_devices, read_experiment
from launch.terminal.new_files import require_absent, require_new
from launch.terminal.quiet import quiet
from launch.weights.bundled_weights import announce, find_network

USAGE = "evaluate RUN [--views V,V] [--out FOLDER]; or evaluate NAME [--weights RUN_OR_FILE]"
FLAGS = share("gpus", "platform", "data", "data_dir", "precision", "jit_compile", "set")
FLAGS |= share("weights", "preprocessing") | {
    "views": items(
        "test views, such as centre_crop,ten_crop, or the paper's own (--dry_run "
        "shows them); default: the recipe's"
    ),
    "split": text(
        "another split of the data set than that of its tests, such as train: "
        "what the network makes of the images that it learned from"
    ),
    "out": path(
        "a new folder for the confusion matrix and the worst images; default: evaluated/ in the "
        "run's"
    ),
    "predictions": path(
        "the file to write every image's scores to; killed at any moment, the "
        "same command continues"
    ),
}
FLAGS |= share("dry_run")


def run(words: list[str], flags: FlagValues) -> int:
    """Prints the errors under each view; exit code 0."""
    if not words:
        raise UsageError(f"evaluate takes a run or a name: python -m launch {USAGE}.")
    refuse_words("evaluate RUN_OR_NAME", words[1:])
    paper, variant = find_trained(words[0], flags)
    devices, network = read_devices(flags), None
    if flags.dry_run and not flags.weights:
        recipe = reproductions.load(paper).RECIPES[variant]
        about = {"data_dir": flags.data_dir, "data": flags.data, "changes": flags.set}
        experiment = read_experiment(paper, variant, recipe, **about)
    else:
        network = find_network(USAGE, paper, variant, flags, measures=True)
        experiment = network.experiment
    if network and network.run and not flags["precision"].present:
        precision = network.run.record["precision"]
        if precision == "tensorfloat32":  # of GPUs alone
            precision = "float32"
        devices = dataclasses.replace(devices, precision=precision)
    check_views(flags.views, (*views.NAMES, *reproductions.views(paper, variant)))
    per_replica_batch_size(experiment.recipe.global_batch_size, devices.gpus or 1, 1)
    if flags.out:
        require_new(flags.out, "--out")
    if flags.predictions:
        asked = flags.views or experiment.recipe.views
        if len(asked) != 1:
            raise UsageError(
                f"--predictions writes the scores of one view: name it with --views {asked[0]}."
            )
        if flags.predictions.suffix != ".npz":
            raise UsageError(f"--predictions writes an .npz file. Received: {flags.predictions}")
        require_absent(flags.predictions, "--predictions")
    if not flags.dry_run:
        experiment.require_data()
    if network:
        announce(network, devices.precision, named=bool(flags.weights))
    with quiet():
        from launch.inference import evaluation
    if flags.dry_run:
        run_of = network and network.run
        return evaluation.plan(experiment, run_of, devices, flags.views, flags.split)
    return evaluation.run(network, devices, flags.views, flags.split, flags.predictions, flags.out)
