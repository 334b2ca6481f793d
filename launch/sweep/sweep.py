"""`python -m launch sweep`: keras-tuner over named fields of a recipe.

The process that is started leads: it asks the oracle, or serves it to others
(launch.sweep.workers), shows how far all is, and writes sweep.json. Each trial
is a process, `python -m launch NAME --set ...`.
"""

import os
import pathlib
import shlex
import shutil
import signal
import sys
from collections.abc import Callable

import keras_tuner

import reproductions
from common import files
from common.errors import RunError
from common.recipes.serialization import describe_recipe
from common.training.run_record import lock_folder, now, session_facts
from common.training.signals import Signals, Stopped
from launch.sweep import hparams, status, workers
from launch.sweep.overview import Overview
from launch.sweep.search_space import as_text, part_of
from launch.sweep.sweep_request import Request
from launch.sweep.tuners import PROJECT, Tuner, planned, planned_epochs


def run(request: Request, *, dry_run: bool = False) -> int:
    """Runs or continues the sweep, or shows its plan; the process's exit code."""
    if dry_run:
        from launch.sweep.sweep_plan import print_plan

        return print_plan(request)
    hours = request.training.settings.max_hours
    try:
        with Signals(hours and 3600 * hours) as signals:
            if workers.role() == "worker":
                Tuner(request, signals, lambda: None).search()
                return 0
            return _lead(request, signals)
    except Stopped as stop:
        print(
            "\nThe sweep has stopped; nothing that was finished is lost. The "
            "same command continues.",
            file=sys.stderr,
        )
        return 130 if stop.signum == signal.SIGINT else 75


def _lead(request: Request, signals: Signals) -> int:
    """A new folder that a disk refuses before any epoch is not left behind."""
    folder = request.folder
    is_new = not folder.exists()
    try:
        return _locked(request, signals)
    except Exception as error:
        begun = any(folder.glob("trials/*/metrics.jsonl"))
        if is_new and not begun and files.refused(error):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _locked(request: Request, signals: Signals) -> int:
    folder = request.folder
    with lock_folder(folder):
        facts = _facts(request)
        there = status.require_same(folder / "sweep.json", facts)
        if status.is_finished(there, request.trials):
            return _report(request, there)
        facts["sessions"] = [*there.get("sessions", []), facts.pop("session")]
        _forget_unborn(folder / PROJECT)
        status.read_trials(folder)  # before the tuner, which cannot say
        hparams.write_experiment(folder, request.space)
        plan = planned(request)
        epochs = planned_epochs(request, plan)
        overview = Overview(folder, facts, trials=len(plan), epochs=epochs)
        try:
            _search(request, signals, overview.tick)
        except BaseException as error:
            facts["status"] = "stopped" if isinstance(error, Stopped) else "failed"
            overview.close()
            raise
        facts |= {"status": "finished", "finished": now()}
        facts["trials"] = overview.close()
        return _report(request, facts)


def _search(request: Request, signals: Signals, tick: Callable[[], None]) -> None:
    if request.workers > 1 or workers.role() == "chief":
        workers.serve(request, signals, tick)
    else:
        Tuner(request, signals, tick).search()


def _report(request: Request, facts: dict) -> int:
    trials = facts["trials"]
    status.show(facts, trials)
    if not status.finished(trials):
        reason = trials[-1].get("reason", "") if trials else ""
        raise RunError(
            f"None of the {len(trials)} trials came to its end, so there is "
            f"no best one: {reason} Narrow the --space, with a fresh --workdir."
        )
    if request.record:
        from launch.report import sweep_records

        print(f"Recorded in {sweep_records.add(request.folder)}.")
    return 0


def _forget_unborn(project: pathlib.Path) -> None:
    """Removes what a kill left between a trial's file and the oracle's.

    keras-tuner would count such a trial and never run it.
    """
    known = status.read_trial_ids(project)
    for folder in project.glob("trial_*"):
        if folder.name.removeprefix("trial_") not in known:
            shutil.rmtree(folder)


def _facts(request: Request) -> dict:
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
        "session": session_facts(reproductions.REPOSITORY, cores=os.cpu_count())
        | {"command": shlex.join(["python", "-m", "launch", *sys.argv[1:]])},
    }
