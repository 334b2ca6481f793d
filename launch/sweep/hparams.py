"""What TensorBoard's HParams view needs to show a sweep.

The errors themselves are those that each trial writes as a run: `tensorboard --logdir SWEEP`.
"""

import pathlib
from typing import Any

from launch.sweep.search_space import Dimension
from launch.terminal import event_file

METRICS = {  # of launch.session.board, which only a training may import
    "top1_error/on_held_out": "held-out error %",
    "top1_error/in_training": "training error %",
}


def write_experiment(folder: pathlib.Path, space: tuple[Dimension, ...]):
    """What is searched and what is measured; once for a sweep."""
    from tensorboard.plugins.hparams import api

    domains = [api.HParam(d.path, _domain(d)) for d in space]
    metrics = [api.Metric(tag, display_name=name) for tag, name in METRICS.items()]
    pb = api.hparams_config_pb(hparams=domains, metrics=metrics)
    _write(folder, pb, ".experiment")


def _domain(dimension: Dimension):
    from tensorboard.plugins.hparams import api

    values = dimension.values
    if dimension.kind == "choice":
        return api.Discrete(list(values))
    if all(isinstance(value, int) for value in values):
        return api.IntInterval(*values)
    return api.RealInterval(*map(float, values))


def write_start(folder: pathlib.Path, trial_id: str, values: dict[str, Any]) -> None:
    """A trial's values; once, however often it is continued."""
    for end in folder.glob("events.*.end"):
        end.unlink()  # of a failure that is tried again
    from tensorboard.plugins.hparams import api

    pb = api.hparams_pb(values, trial_id=f"trial {trial_id}")
    _write(folder, pb, ".start")


def write_end(folder: pathlib.Path, *, succeeded: bool) -> None:
    """Whether the trial came to its end."""
    from tensorboard.plugins.hparams import api_pb2, summary

    status = api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE
    _write(folder, summary.session_end_pb(status), ".end")


def _write(folder: pathlib.Path, summary: Any, suffix: str) -> None:
    if not list(folder.glob(f"events.*{suffix}")):
        event_file.append(folder / event_file.name(suffix), summary)
