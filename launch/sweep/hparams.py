"""What TensorBoard's HParams view needs to show a sweep.

The errors themselves are those that each trial writes as a run: `tensorboard --logdir SWEEP`.
"""

import pathlib
from typing import Any

from tensorboard.plugins.hparams import api

from launch.session.board import TAGS
from launch.sweep.search_space import Dimension
from launch.terminal import event_file


def write_experiment(folder: pathlib.Path, space: tuple[Dimension, ...]) -> None:
    """What is searched and what is measured; once for a sweep."""
    domains = []
    for dimension in space:
        values, domain = dimension.values, api.IntInterval
        if dimension.kind == "choice":
            values, domain = [list(values)], api.Discrete
        elif any(isinstance(value, float) for value in values):
            values, domain = map(float, values), api.RealInterval
        domains.append(api.HParam(dimension.path, domain(*values)))
    metrics = [
        api.Metric(TAGS["val_top1_error"].format("held_out"), display_name="held-out error %"),
        api.Metric(TAGS["top1_error"], display_name="training error %"),
    ]
    _write(folder, api.hparams_config_pb(hparams=domains, metrics=metrics), ".experiment")


def write_start(folder: pathlib.Path, trial_id: str, values: dict[str, Any]) -> None:
    """A trial's values; once, however often it is continued."""
    _write(folder, api.hparams_pb(values, trial_id=f"trial {trial_id}"), ".start")


def _write(folder: pathlib.Path, message: Any, suffix: str) -> None:
    if not list(folder.glob(f"events.*{suffix}")):
        event_file.append(folder / event_file.name(suffix), message)
