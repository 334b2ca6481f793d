"""What a person sees while a run works: a bar on a terminal, lines in a log."""

from typing import TextIO

import keras

from launch.terminal.display import Counting, Display, duration

SMOOTHING = 0.9  # of the speed that the time left is computed from


class Progress(keras.callbacks.Callback):
    """Images/s, loss and time left of a training.

    On a terminal one line is redrawn; `log` always gets plain lines, and so
    does the stream where it is no terminal.
    """

    def __init__(
        self,
        log: TextIO,
        *,
        images_per_step: int,
        devices: int = 1,
        screen: TextIO | None = None,
        measured: str = "test",
    ):
        """`measured` is what the split's images are called."""
        super().__init__()
        self.measured = measured
        self.display = Display(screen, log)
        self.counting = Counting(self.display)
        self.say = self.display.say
        self.images_per_step = images_per_step
        self.devices = devices
        self.speed = 0.0
        self.wait = 0.0
        self.left = 0.0
        self.compiled = False

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Notes which epoch runs."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Shows where the run stands after the updates of one call."""
        if not self.compiled:  # the first call's time is the compiler's
            self.compiled = True
            return
        done = batch + 1
        speed = logs["images_per_second"]
        keep = SMOOTHING if self.speed else 0.0
        self.speed = keep * self.speed + (1 - keep) * speed
        self.wait = keep * self.wait + (1 - keep) * logs["input_wait"]
        steps, epochs = self.params["steps"], self.params["epochs"]
        images = (self.params["updates"] - done) * self.images_per_step
        self.left = images / self.speed
        self.display.show(
            f"epoch {self.epoch + 1}/{epochs}  "
            f"step {done - steps * self.epoch}/{steps}  "
            f"loss {logs['loss']:.4f}  error {logs['top1_error']:.1f} %  "
            f"{self._pace()}  {duration(self.left)} left"
        )

    def _pace(self) -> str:
        """Images/s, in all and on each device, and who waits for whom."""
        text = f"{self.speed:,.0f} images/s"
        if self.devices > 1:
            each = self.speed / self.devices
            text += f" ({each:,.0f} on each of {self.devices} devices)"
        return f"{text}, {100 * self.wait:.0f} % of the time waiting for input"

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """One lasting line for each epoch."""
        pace = f"{duration(logs['seconds'])} of training so far"
        if self.speed:  # not known by the compiler's call alone
            pace = f"{self._pace()}, {pace}, {duration(self.left)} left"
        self.say(
            f"epoch {epoch + 1}/{self.params['epochs']}: "
            f"loss {logs['loss']:.4f}, error {logs['top1_error']:.2f} %; "
            f"{self.measured} loss {logs['val_loss']:.4f}, "
            f"{self.measured} error {logs['val_top1_error']:.2f} %; {pace}"
        )
