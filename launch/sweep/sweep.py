"""`python -m launch sweep`: keras-tuner over named fields of a recipe.

The process that is started leads: it asks the oracle, or serves it to others
(launch.sweep.workers), shows how far all is, and writes sweep.json. Each trial
is a process, `python -m launch NAME --set ...`.
"""

import os
import shlex
import shutil
import sys

import keras_tuner

import reproductions
from common import files
from common.data import pipeline
from common.errors import RunError
from common.recipes.serialization import describe_recipe
from common.training.run_record import lock_folder, now, session_facts
from common.training.signals import Signals, Stopped
from launch.session.plan import images_per_second
from launch.session.setup import build_network, plan_data, prepare_tensorflow
from launch.sweep import hparams, status, workers
from launch.sweep.search_space import as_text, part_of
from launch.sweep.sweep_request import Request
from launch.sweep.tuners import PROJECT, Tuner
from launch.terminal.display import duration, epochs
from launch.terminal.exits import code_of_signal


def run(request: Request, *, dry_run: bool = False) -> int:
    """Runs or continues the sweep, or shows its plan; the process's exit code."""
    if dry_run:
        for name, value in plan(request):
            print(f"{name:<14}{value}")
        return 0
    hours = request.training.settings.max_hours
    try:
        with Signals(hours and 3600 * hours) as signals:
            if workers.read_role() == "worker":
                Tuner(request, signals.watched(lambda: None)).search()
                return 0
            return _lead(request, signals)
    except Stopped as stop:
        print(
            "\nThe sweep has stopped; nothing that was finished is lost. The "
            "same command continues.",
            file=sys.stderr,
        )
        return code_of_signal(stop.signum)


def plan(request: Request) -> list[tuple[str, str]]:
    """(what, value) rows of --dry_run, which writes nothing in the sweep's folder."""
    training, recipe = request.training, request.recipe
    each = "at most " * (request.tuner == "hyperband")  # which trains most trials for less
    strategy = prepare_tensorflow(training.devices, recipe, training.settings.seed)
    source = plan_data(training.experiment)
    model = build_network(training.experiment, strategy)
    steps = request.trials * pipeline.updates(source, recipe)
    images = steps * recipe.global_batch_size
    speed = images_per_second(model, recipe, strategy, training.devices.jit_compile)
    own = [(d, as_text(part_of(recipe, d.path))) for d in request.space]
    return [
        ("sweep", f"{request.variant}, {request.tuner} search"),
        *(("space", f"{dimension}; the recipe's: {value}") for dimension, value in own),
        ("trials", f"at most {request.trials}, of {each}{epochs(request.epochs)} each"),
        (
            "data",
            f"{source.dataset.title}; the objective is the top-1 error on "
            "the held-out images, never the test split's",
        ),
        (
            "cost",
            f"at most {epochs(request.trials * request.epochs)} in all, {steps:,} updates, "
            f"{images:,} images; {duration(images / speed / request.workers)} at "
            f"{speed:,.0f} images/s with {request.workers} worker(s), each a device of its own; "
            "start-up, input and tests come on top",
        ),
        ("written to", str(request.folder)),
    ]


def _lead(request: Request, signals: Signals) -> int:
    """A new folder that a disk refuses before any epoch is not left behind."""
    folder = request.folder
    is_new = not folder.exists()
    try:
        with lock_folder(folder):
            return _lead_locked(request, signals)
    except Exception as error:
        begun = any(folder.glob("trials/*/metrics.jsonl"))
        if is_new and not begun and files.refused(error):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _lead_locked(request: Request, signals: Signals) -> int:
    folder, facts = request.folder, _describe(request)
    there = status.require_same(folder / "sweep.json", facts)
    if there.get("status") == "finished" and there["asked_trials"] >= request.trials:
        return _report(request, there)
    session = session_facts(reproductions.REPOSITORY, cores=os.cpu_count())
    session["command"] = shlex.join(["python", "-m", "launch", *sys.argv[1:]])
    facts["sessions"] = [*there.get("sessions", []), session]
    # keras-tuner would count a trial that a kill left between its file and the
    # oracle's, and never run it.
    known = status.read_trial_ids(folder)
    for trial in (folder / PROJECT).glob("trial_*"):
        if trial.name.removeprefix("trial_") not in known:
            shutil.rmtree(trial)
    hparams.write_experiment(folder, request.space)
    # This reads all files, before the tuner, which cannot say what is wrong with one.
    overview = status.Overview(folder, facts, request.trials, request.epochs)
    watch = signals.watched(overview.tick)
    try:
        if request.workers > 1 or workers.read_role() == "chief":
            workers.serve(request, watch)
        else:
            Tuner(request, watch).search()
    except BaseException as error:
        facts["status"] = "stopped" if isinstance(error, Stopped) else "failed"
        overview.close()
        raise
    facts |= {"status": "finished", "finished": now()}
    overview.close()
    return _report(request, facts)


def _report(request: Request, facts: dict) -> int:
    trials = facts["trials"]
    status.show(facts)
    if not status.rank(trials):
        reason = trials[-1].get("reason", "") if trials else ""
        raise RunError(
            f"None of the {len(trials)} trials came to its end, so there is "
            f"no best one: {reason} Narrow the --space, with a fresh --workdir."
        )
    if request.record:
        from launch.report import sweep_records

        print(f"Recorded in {sweep_records.add(facts)}.")
    return 0


def _describe(request: Request) -> dict:
    experiment, recipe = request.training.experiment, request.recipe
    return {
        "paper": experiment.paper,
        "variant": request.variant,
        "recipe": describe_recipe(recipe),
        "settings": list(request.settings),
        "flags": list(request.flags),
        "space": [str(dimension) for dimension in request.space],
        "paper_values": [f"{d.path}={as_text(part_of(recipe, d.path))}" for d in request.space],
        "tuner": request.tuner,
        "oracle": f"keras-tuner {keras_tuner.__version__}",
        "seed": request.training.settings.seed,
        "precision": request.training.devices.precision,
        "data": recipe.data,
        "data_title": experiment.dataset.title,
        "held_out": recipe.held_out,
        "asked_trials": request.trials,
        "workers": request.workers,
        "status": "running",
    }
