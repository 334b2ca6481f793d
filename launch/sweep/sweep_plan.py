"""`sweep --dry_run`: what is searched, and what that costs."""

import dataclasses
from collections import Counter

from common.data import pipeline
from common.recipes.recipe import Recipe
from launch.session.plan import images_per_second
from launch.session.setup import build_network, plan_data, prepare_tensorflow
from launch.sweep.search_space import as_text, part_of
from launch.sweep.sweep_request import Request
from launch.sweep.tuners import planned, planned_epochs
from launch.terminal.display import duration


def print_plan(request: Request) -> int:
    """Prints the plan; exit code 0. Writes nothing in the sweep's folder."""
    for name, value in plan(request):
        print(f"{name:<14}{value}")
    return 0


def plan(request: Request) -> list[tuple[str, str]]:
    """(what, value) rows."""
    training, recipe = request.training, request.recipe
    rows = [
        ("sweep", f"{request.variant}, {request.tuner} search"),
        *(("space", f"{d}; the recipe's: {_own(request, d.path)}") for d in request.space),
        ("trials", _trials(request, planned(request))),
    ]
    strategy = prepare_tensorflow(training.devices, recipe, training.settings.seed)
    source = plan_data(training.experiment)
    rows.append(
        (
            "data",
            f"{source.dataset.title}; the objective is the top-1 error on "
            "the held-out images, never the test split's",
        )
    )
    model = build_network(training.experiment, strategy)
    trials = planned(request)
    steps = sum(_steps(source, recipe, values) for values in trials)
    images = steps * recipe.global_batch_size
    speed = images_per_second(model, recipe, strategy, training.devices.jit_compile)
    total = images / speed / request.workers
    return [
        *rows,
        (
            "cost",
            f"{planned_epochs(request, trials)} epochs in all, {steps:,} "
            f"updates, {images:,} images; about "
            f"{duration(total)} at {speed:,.0f} images/s with "
            f"{request.workers} worker(s), each a device of its own; start-up, "
            "input and tests come on top",
        ),
        ("written to", str(request.folder)),
    ]


def _steps(source, recipe: Recipe, values: dict) -> int:
    """Updates that a trial makes itself, with the recipe's own batch."""
    last = values.get("tuner/epochs", recipe.epochs)
    made = [
        pipeline.updates(source, dataclasses.replace(recipe, epochs=epochs))
        for epochs in (values.get("tuner/initial_epoch", 0), last)
    ]
    return made[1] - made[0]


def _own(request: Request, path: str) -> str:
    return as_text(part_of(request.recipe, path))


def _trials(request: Request, trials: list[dict]) -> str:
    """How many, and for Hyperband how long each of them trains."""
    if request.tuner != "hyperband":
        return f"{len(trials)}, of {request.recipe.epochs} epochs each"
    lengths = Counter((t["tuner/initial_epoch"], t["tuner/epochs"]) for t in trials)
    parts = [
        f"{count} of epochs {first + 1} to {last}"
        for (first, last), count in sorted(lengths.items())
    ]
    return f"{len(trials)}: {', '.join(parts)}"
