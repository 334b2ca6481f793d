"""What the loop is given to train, and where it stands."""

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from common.recipe import Recipe
from common.runs import Run


@dataclasses.dataclass(kw_only=True)
class State:
    """Where a run stands: everything but the variables; JSON-able.

    Attributes:
        epoch: Epochs finished.
        step: Updates made in all.
        losses, wrong: Sums over the unfinished epoch's batches.
        history: One row per finished epoch.
        seconds: Spent training, over all sessions.
    """

    epoch: int = 0
    step: int = 0
    losses: float = 0.0
    wrong: int = 0
    history: list[dict] = dataclasses.field(default_factory=list)
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What is trained, on what, and where it is written."""

    recipe: Recipe
    source: Any
    statistics: Any
    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    strategy: tf.distribute.Strategy
    run: Run
    seed: int
    microbatches: int
    jit_compile: bool
    checkpoint_seconds: float
