"""keras-tuner's own oracles, driven by trials that are processes."""

import contextlib
import dataclasses
import io
import itertools
import json
import pathlib
import tempfile
from collections.abc import Callable, Iterator

import keras_tuner
from keras_tuner import errors, oracles
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.src import config

from common import files
from common.errors import NoRoom, RunError, UsageError
from common.files import write_text
from common.training.signals import Signals, Stopped
from launch.sweep import trials
from launch.sweep.search_space import hyperparameters
from launch.sweep.sweep_request import Request

config.DEBUG = False  # a failed trial is told in a line, without traceback
FAILURES = 3  # in a row, after which a sweep stops
HYPERBAND_FACTOR = 3  # the library's default
MANY = 10**6
PROJECT = "oracle"  # the tuner's own folder in the sweep's


class _Whole:
    """Writes what an oracle knows atomically: a kill leaves no half a file.

    In keras-tuner's JSON, which it reads itself: it may say Infinity.
    """

    def save(self):
        file = pathlib.Path(self._get_oracle_fname())
        write_text(file, json.dumps(self.get_state(), indent=1))

    def _save_trial(self, trial):
        folder = pathlib.Path(self._get_trial_dir(trial.trial_id))
        text = json.dumps(trial.get_state(), indent=1)
        write_text(folder / "trial.json", text)


class RandomOracle(_Whole, oracles.RandomSearchOracle):
    """Each trial is drawn from the space."""


class BayesianOracle(_Whole, oracles.BayesianOptimizationOracle):
    """A Gaussian process proposes each trial after the first, random ones."""


class HyperbandOracle(_Whole, oracles.HyperbandOracle):
    """Many short trials; the best of them are continued."""


class _Halted(errors.FatalError, Stopped):
    """A stop that keras-tuner does not take for a trial's failure."""


class _Refused(errors.FatalError, NoRoom):
    """A disk's fault, which is no trial's: the sweep can go on from it."""


def _told(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    where = error.filename2 or error.filename
    return f"{where}: {files.reason(error)}. Make room, then run the same command again."


def make_oracle(request: Request) -> keras_tuner.Oracle:
    """The oracle that --tuner names, over the request's space."""
    shared = {
        "objective": keras_tuner.Objective(trials.OBJECTIVE, "min"),
        "hyperparameters": hyperparameters(list(request.space)),
        "allow_new_entries": False,
        "tune_new_entries": False,
        # 0 would mean a random one, and none reaches 2^32.
        "seed": request.training.settings.seed % (2**32 - 1) + 1,
        "max_consecutive_failed_trials": FAILURES,
    }
    if request.tuner == "hyperband":
        oracle = HyperbandOracle(
            factor=HYPERBAND_FACTOR,
            max_epochs=request.recipe.epochs,
            hyperband_iterations=None,  # --trials is what ends it
            **shared,
        )
        oracle.max_trials = request.trials
    elif request.tuner == "bayesian":
        first = min(3 * len(request.space), max(3, request.trials // 3))
        oracle = BayesianOracle(max_trials=request.trials, num_initial_points=first, **shared)
    else:
        oracle = RandomOracle(max_trials=request.trials, **shared)
    oracle.verbose = 0
    return oracle


class Tuner(BaseTuner):
    """keras-tuner's search; with its environment, as one of its workers."""

    def __init__(self, request: Request, signals: Signals, tick: Callable[[], None]):
        self.request, self.signals, self.tick = request, signals, tick
        with contextlib.redirect_stdout(io.StringIO()):  # "Reloading ..."
            super().__init__(
                make_oracle(request), directory=str(request.folder), project_name=PROJECT
            )
        if not self._is_worker():
            self.save()

    def pre_create_trial(self) -> None:
        """Between two trials; also while there is nothing to do yet."""
        self.signals.watched(self.tick)()

    def run_trial(self, trial, *args, **kwargs) -> None:
        """Trains it; every epoch's error goes to the oracle as it is known."""
        known = self.oracle.get_trial(trial.trial_id).metrics
        reported = set()
        if known.exists(trials.OBJECTIVE):
            history = known.get_history(trials.OBJECTIVE)
            reported = {observation.step for observation in history}
        training = trials.train(
            self.request, trial.trial_id, trial.hyperparameters.values, self.signals, self.tick
        )
        try:
            with contextlib.closing(training):
                for row in training:
                    if row["epoch"] not in reported:
                        error = {trials.OBJECTIVE: row["val_top1_error"]}
                        self.oracle.update_trial(trial.trial_id, error, step=row["epoch"])
        except Stopped as stop:
            raise _Halted(stop.signum, stop.step) from None
        except Exception as error:
            if files.refused(error):
                raise _Refused(_told(error)) from error
            if isinstance(error, RunError):
                raise errors.FailedTrialError(str(error)) from error
            raise errors.FatalError(repr(error)) from error  # a bug is no failed trial

    def on_trial_end(self, trial) -> None:
        """Tells the oracle.

        Raises:
            RunError: if it was the third in a row that failed.
        """
        try:
            super().on_trial_end(trial)
        except Exception as error:  # of gRPC, where the oracle is elsewhere
            if trial.status != "FAILED":
                raise
            raise self._too_many(trial.trial_id) from error
        self.tick()

    def require_successes(self) -> None:
        """On the chief, whose workers are told by the oracle.

        Raises:
            RunError: if the last three trials have failed.
        """
        oracle = self.oracle
        last = oracle.end_order[-FAILURES:]
        failed = [i for i in last if oracle.trials[i].status == "FAILED"]
        if len(failed) == FAILURES:
            raise self._too_many(last[-1])

    def _too_many(self, trial_id: str) -> RunError:
        folder = trials.folder_of(self.request.folder, trial_id)
        reason = trials.read_outcome(folder).get("reason", "")
        return RunError(
            f"{FAILURES} trials in a row failed, the last of them {trial_id}: "
            f"{reason} Narrow the --space; the same command tries that trial "
            "again."
        )

    def save(self) -> None:
        """The oracle is all there is to save, and not a worker's business."""
        if not self._is_worker():
            self.oracle.save()

    def _get_tuner_fname(self) -> str:
        return str(pathlib.Path(self.project_dir, "oracle.json"))


def planned(request: Request) -> list[dict]:
    """The values of the trials to come, were they all equally good and long.

    From the oracle itself, asked in a folder of its own by as many workers:
    which epochs Hyperband trains, how many different trials the space has.

    Raises:
        UsageError: if Hyperband would continue none of so few trials.
    """
    if request.tuner == "bayesian":
        return [{}] * request.trials
    trials = list(_rehearsed(make_oracle(request), request.workers))
    rounds = {values.get("tuner/round", 0) for values in trials}
    several = request.recipe.epochs >= HYPERBAND_FACTOR
    if request.tuner == "hyperband" and several and rounds == {0}:
        raise UsageError(
            f"--trials {request.trials} with {request.workers} worker(s) is "
            f"too few for Hyperband up to {request.recipe.epochs} "
            "epochs: none of its short trials would be continued. Its first "
            f"bracket takes {_first_bracket(request)} trials; give as many, "
            "or fewer --set epochs."
        )
    return trials


def _first_bracket(request: Request) -> int:
    """Trials until one has been continued to Hyperband's last epoch."""
    oracle = make_oracle(dataclasses.replace(request, trials=MANY))
    number = 0
    for values in _rehearsed(oracle, request.workers):
        number += 1
        last = values["tuner/epochs"] == request.recipe.epochs
        if values["tuner/round"] and last:
            break
    return number


def _rehearsed(oracle: keras_tuner.Oracle, workers: int) -> Iterator[dict]:
    running = []
    with tempfile.TemporaryDirectory() as folder:
        oracle._set_project_dir(folder, PROJECT)
        for number in itertools.count():
            trial = oracle.create_trial(str(number))
            if trial.status == "RUNNING":
                running.append(trial)
                yield dict(trial.hyperparameters.values)
            elif not running:
                return
            if len(running) == workers or trial.status != "RUNNING":
                done = running.pop(0)
                error = {trials.OBJECTIVE: 0.0}
                oracle.update_trial(done.trial_id, error)
                done.status = "COMPLETED"
                oracle.end_trial(done)


def planned_epochs(request: Request, trials: list[dict]) -> int:
    """Epochs that those trials train, in all."""
    whole = request.recipe.epochs
    return sum(t.get("tuner/epochs", whole) - t.get("tuner/initial_epoch", 0) for t in trials)
