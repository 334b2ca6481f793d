"""Event files for TensorBoard, without TensorFlow's runtime, which would take the GPUs."""

import pathlib
import time
from typing import Any


def append(file: pathlib.Path, summary: Any, step: int = 0) -> None:
    """Adds a summary, a message of TensorBoard's or of TensorFlow's, to a file or a new one."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    own = Summary.FromString(summary.SerializeToString())
    events = [Event(wall_time=time.time(), step=step, summary=own)]
    if not file.exists():
        events.insert(0, Event(wall_time=time.time(), file_version="brain.Event:2"))
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "ab") as stream:
        writer = RecordWriter(stream)
        for event in events:
            writer.write(event.SerializeToString())


def name(suffix: str = "") -> str:
    """A new file's name: TensorBoard reads a folder's files in the order of their names."""
    return f"events.out.tfevents.{time.time():.3f}{suffix}"
