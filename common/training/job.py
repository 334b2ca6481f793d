"""What the loop is given to train, and where it stands."""

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from common.recipes.recipe import Recipe
from common.training.run_record import Run


@dataclasses.dataclass(kw_only=True)
class State:
    """Where a run stands: everything but the variables; JSON-able.

    Attributes:
        epoch: Epochs finished.
        step: Updates made in all.
        losses, plain_losses, wrong: Sums over the unfinished epoch's batches.
        history: One row per finished epoch.
        seconds: Spent training, over all sessions.
        recovered: How often it went back to a checkpoint, with a smaller rate.
    """

    epoch: int = 0
    step: int = 0
    losses: float = 0.0
    plain_losses: float = 0.0
    wrong: int = 0
    history: list[dict] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    recovered: int = 0

    def add(self, losses, plain_losses, wrong) -> None:
        """Adds batches' means and counts, each (updates,)."""
        # One by one: the sums do not depend on how many come in a call.
        for loss, own in zip(losses.tolist(), plain_losses.tolist(), strict=True):
            self.losses += loss
            self.plain_losses += own
        self.wrong += int(wrong.sum())

    def means(self, steps: int, recipe: Recipe) -> dict[str, float]:
        """Of an epoch's `steps` batches, for its row; the sums begin anew."""
        means = {"loss": self.losses / steps}
        if hasattr(recipe.loss, "plain"):  # of which the loss holds more
            means["cross_entropy"] = self.plain_losses / steps
        images = steps * recipe.global_batch_size
        means["top1_error"] = 100 * self.wrong / images
        self.losses, self.plain_losses, self.wrong = 0.0, 0.0, 0
        return means


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What is trained, on what, and where it is written.

    Attributes:
        resident: The training set on the devices, a
            common.data.resident.ResidentSet; None where it is streamed.
    """

    recipe: Recipe
    source: Any
    statistics: Any
    resident: Any
    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    strategy: tf.distribute.Strategy
    run: Run
    seed: int
    microbatches: int
    jit_compile: bool
    checkpoint_seconds: float
    recover: int = 0  # times at most
