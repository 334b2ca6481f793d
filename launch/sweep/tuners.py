"""keras-tuner's own oracles, driven by trials that are processes."""

import contextlib
import io
import json
import pathlib
from collections.abc import Callable

import keras_tuner
from keras_tuner import errors, oracles
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.src import config

from common.errors import NoRoom, RunError
from common.files import write_text
from launch.sweep import trials
from launch.sweep.search_space import Dimension
from launch.sweep.sweep_request import Request

config.DEBUG = False  # a failed trial is told in a line, without traceback
FAILURES = 3  # in a row, after which a sweep stops
HYPERBAND_FACTOR = 3  # the library's default
PROJECT = "oracle"  # the tuner's own folder in the sweep's


class _Whole:
    """Writes what an oracle knows atomically: a kill leaves no half a file.

    In keras-tuner's JSON, which it reads itself: it may say Infinity.
    """

    def save(self):
        write_text(pathlib.Path(self._get_oracle_fname()), json.dumps(self.get_state(), indent=1))

    def _save_trial(self, trial):
        file = pathlib.Path(self._get_trial_dir(trial.trial_id), "trial.json")
        write_text(file, json.dumps(trial.get_state(), indent=1))


class RandomOracle(_Whole, oracles.RandomSearchOracle):
    """Each trial is drawn from the space."""


class BayesianOracle(_Whole, oracles.BayesianOptimizationOracle):
    """A Gaussian process proposes each trial after the first, random ones."""


class HyperbandOracle(_Whole, oracles.HyperbandOracle):
    """Many short trials; the best of them are continued."""


def make_oracle(request: Request) -> keras_tuner.Oracle:
    """The oracle that --tuner names, over the request's space."""
    shared = {
        "objective": keras_tuner.Objective(trials.OBJECTIVE, "min"),
        "hyperparameters": _make_hyperparameters(request.space),
        "allow_new_entries": False,
        "tune_new_entries": False,
        # 0 would mean a random one, and none reaches 2^32.
        "seed": request.training.settings.seed % (2**32 - 1) + 1,
        "max_consecutive_failed_trials": FAILURES,
    }
    if request.tuner == "hyperband":
        # --trials is what ends it, and no iteration.
        shared |= {"max_epochs": request.recipe.epochs, "factor": HYPERBAND_FACTOR}
        oracle = HyperbandOracle(hyperband_iterations=None, **shared)
        oracle.max_trials = request.trials
    elif request.tuner == "bayesian":
        first = min(3 * len(request.space), max(3, request.trials // 3))
        oracle = BayesianOracle(max_trials=request.trials, num_initial_points=first, **shared)
    else:
        oracle = RandomOracle(max_trials=request.trials, **shared)
    oracle.verbose = 0
    return oracle


def _make_hyperparameters(space: tuple[Dimension, ...]) -> keras_tuner.HyperParameters:
    made = keras_tuner.HyperParameters()
    for dimension in space:
        path, values = dimension.path, dimension.values
        if dimension.kind == "choice":
            made.Choice(path, list(values))
        else:
            whole = all(isinstance(value, int) for value in values)
            (made.Int if whole else made.Float)(path, *values, sampling=dimension.kind)
    return made


class Tuner(BaseTuner):
    """keras-tuner's search; with its environment, as one of its workers."""

    def __init__(self, request: Request, watch: Callable[[], None]):
        self.request, self.watch = request, watch
        with contextlib.redirect_stdout(io.StringIO()):  # "Reloading ..."
            super().__init__(
                make_oracle(request), directory=str(request.folder), project_name=PROJECT
            )

    def search(self) -> None:
        """Until all trials are done, or for ever as the chief.

        Raises:
            RunError: if three trials in a row have failed.
            NoRoom, OSError: for a disk's fault, which is no trial's: the sweep can go on.
            Stopped: after a signal.
        """
        try:
            super().search()
        except errors.FatalError as error:
            raise (error.__cause__ or error) from None

    def pre_create_trial(self) -> None:
        """Between two trials; also while there is nothing to do yet."""
        self.watch()

    def run_trial(self, trial, *args, **kwargs) -> None:
        """Trains it; every epoch's error goes to the oracle as it is known."""
        known = self.oracle.get_trial(trial.trial_id).metrics
        reported = set()
        if known.exists(trials.OBJECTIVE):
            reported = {seen.step for seen in known.get_history(trials.OBJECTIVE)}
        values = trial.hyperparameters.values
        training = trials.train(self.request, trial.trial_id, values, self.watch)
        try:
            with contextlib.closing(training):
                for row in training:
                    if row["epoch"] not in reported:
                        error = {trials.OBJECTIVE: row[trials.OBJECTIVE]}
                        self.oracle.update_trial(trial.trial_id, error, step=row["epoch"])
        except Exception as error:
            if isinstance(error, RunError) and not isinstance(error, NoRoom):
                raise errors.FailedTrialError(str(error)) from error
            raise errors.FatalError from error  # a signal, a disk or a bug fails no trial

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

    def require_successes(self) -> None:
        """On the chief, whose workers are told by the oracle.

        Raises:
            RunError: if the last three trials have failed.
        """
        last = [self.oracle.trials[i] for i in self.oracle.end_order[-FAILURES:]]
        if len(last) == FAILURES and all(trial.status == "FAILED" for trial in last):
            raise self._too_many(last[-1].trial_id)

    def _too_many(self, trial_id: str) -> RunError:
        outcome = trials.read_outcome(trials.folder_of(self.request.folder, trial_id))
        return RunError(
            f"{FAILURES} trials in a row failed, the last of them {trial_id}: "
            f"{outcome.get('reason', '')} Narrow the --space; the same command tries "
            "that trial again."
        )

    def save(self) -> None:
        """The oracle is all there is to save, and not a worker's business."""
        if not self._is_worker():
            self.oracle.save()

    def _get_tuner_fname(self) -> str:
        return str(pathlib.Path(self.project_dir, "oracle.json"))
