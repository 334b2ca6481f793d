"""A run's curves for TensorBoard: `tensorboard --logdir runs`."""

import pathlib

import keras

from launch.terminal import event_file

# Groups and their cards stand in the order of the alphabet: the loss first.
TAGS = {
    "loss": "loss/in_training",
    "val_loss": "loss/on_{}",
    "top1_error": "top1_error/in_training",
    "val_top1_error": "top1_error/on_{}",
    "val_top5_error": "top5_error/on_{}",
    "cross_entropy": "training/cross_entropy",
    "learning_rate": "training/learning_rate",
}


class Board(keras.callbacks.Callback):
    """Writes each epoch's numbers into the run's own folder, whose name TensorBoard shows."""

    def __init__(self, folder: pathlib.Path, measured: str):
        """`measured` is what the images are called that are measured: "test" or "held_out"."""
        super().__init__()
        self.file = folder / event_file.name()
        self.measured = measured

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """A point of each curve, over epochs."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=tag.format(self.measured), simple_value=logs[name])
            for name, tag in TAGS.items()
            if name in logs
        ]
        event_file.append(self.file, Summary(value=values), epoch + 1)
