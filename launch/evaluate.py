"""`python -m launch evaluate NAME --weights FILE`: error rates, no training."""

import os

from common.errors import RunError
from common.evaluation import make_test_step, measure
from launch.options import Options
from launch.progress import Progress
from launch.results_table import interval, percent
from launch.train import (
    build_network,
    open_data,
    prepare_tensorflow,
    training_statistics,
)


def run(paper: str, variant: str, options: Options) -> int:
    """Prints a line for each view; exit code 0."""
    recipe = options.recipe
    strategy = prepare_tensorflow(options)
    source = open_data(options)
    model = build_network(paper, variant, recipe, strategy)
    _load(model, options)
    with open(os.devnull, "w") as log:
        progress = Progress(log, images_per_step=0)
        statistics = training_statistics(source, recipe, progress.scanning)
        test = make_test_step(model, recipe.loss, strategy)
        for view in options.views or recipe.views:
            result = measure(
                test,
                strategy,
                source,
                recipe,
                statistics,
                view,
                progress.testing,
            )
            progress.clear()
            print(
                f"{view}: top-1 error "
                f"{interval(result.top1_error, result.num_images)}, top-5 "
                f"error {percent(result.top5_error)}, loss {result.loss:.4f}, "
                f"{result.num_images:,} images of {source.dataset.title}",
            )
    return 0


def _load(model, options: Options) -> None:
    try:
        model.load_weights(options.weights)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(
            f"{options.weights} does not fit {model.name} with image size "
            f"{options.recipe.image_size} and {options.recipe.num_classes} "
            f"classes: {error}. Give the --data and --set values of the run "
            "that wrote it."
        ) from error
