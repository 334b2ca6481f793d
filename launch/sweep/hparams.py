"""What TensorBoard's HParams view needs to show a sweep.

Event files without TensorFlow's runtime, which would take the GPUs. The errors
themselves are those that each trial's own TensorBoard callback writes:
`tensorboard --logdir SWEEP`.
"""

import pathlib
import time
from typing import Any

from launch.sweep.search_space import Dimension

METRIC = "epoch_top1_error"  # as Keras's callback names it, in "validation"


def write_experiment(folder: pathlib.Path, space: tuple[Dimension, ...]):
    """What is searched and what is measured; once for a sweep."""
    from tensorboard.plugins.hparams import api

    domains = [api.HParam(d.path, _domain(d)) for d in space]
    metrics = [
        api.Metric(METRIC, group="validation", display_name="held-out error %"),
        api.Metric(METRIC, group="train", display_name="training error %"),
    ]
    pb = api.hparams_config_pb(hparams=domains, metrics=metrics)
    _write(folder / "tensorboard", pb, ".experiment")


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
    for end in (folder / "tensorboard").glob("events.*.end"):
        end.unlink()  # of a failure that is tried again
    from tensorboard.plugins.hparams import api

    pb = api.hparams_pb(values, trial_id=f"trial {trial_id}")
    _write(folder / "tensorboard", pb, ".start")


def write_end(folder: pathlib.Path, *, succeeded: bool) -> None:
    """Whether the trial came to its end."""
    from tensorboard.plugins.hparams import api_pb2, summary

    status = api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE
    _write(folder / "tensorboard", summary.session_end_pb(status), ".end")


def _write(folder: pathlib.Path, summary: Any, suffix: str) -> None:
    if list(folder.glob(f"events.*{suffix}")):
        return
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer import event_file_writer

    writer = event_file_writer.EventFileWriter(str(folder), filename_suffix=suffix)
    own = Summary.FromString(summary.SerializeToString())  # TensorFlow's, else
    writer.add_event(Event(wall_time=time.time(), summary=own))
    writer.close()
